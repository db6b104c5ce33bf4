"""The strict judgement of keys and signatures, by our own forgeries and by public vectors.

The points of small and mixed order are made here with arithmetic of its own (affine, by the
definition of the curve), so that the gate stands without any file of vectors.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.signing import SigningKey

from app.rules import curve
from app.rules.errors import BadPublicKey, BadSignature, BadSignatureFormat
from app.rules.signature import (
    fingerprint,
    message,
    parse_public_key,
    parse_signature,
    verifies,
    verify,
)

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
L = 2**252 + 27742317777372353535851937790883648493
PATH = ("input", "publicKey")
HASH = hashlib.sha256(b"content").hexdigest()
SIGNER = SigningKey(bytes(range(32)))
KEY = bytes(SIGNER.verify_key)
SIGNATURE = SIGNER.sign(HASH.encode()).signature
DER_PREFIX = "302a300506032b6570032100"

Affine = tuple[int, int]


def add(p: Affine, q: Affine) -> Affine:
    (x1, y1), (x2, y2) = p, q
    k = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P,
    )


def multiply(factor: int, point: Affine) -> Affine:
    total = (0, 1)
    for bit in f"{factor:b}":
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


def encode(point: Affine) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def torsion() -> list[Affine]:
    """The eight points whose order divides 8, from the first point that yields one of order 8."""
    for y in range(2, 100):
        try:
            point = curve.decode(y.to_bytes(32, "little"))
        except curve.NotOnCurve:
            continue
        root = multiply(L, (point.x, point.y))
        if multiply(4, root) != (0, 1):
            return [multiply(factor, root) for factor in range(8)]
    raise AssertionError("no point of order 8 was found")


TORSION = torsion()
SMALL = [encode(point) for point in TORSION]
# Second spellings of small points: y + p where that fits, and the sign of an x that is 0.
RESPELT = [
    (y + P * above | sign << 255).to_bytes(32, "little")
    for y in (0, 1, P - 1)
    for above in (0, 1)
    for sign in (0, 1)
    if y + P * above < 2**255 and (above or (sign and y))
]


def mixed(key: bytes) -> list[bytes]:
    """The key's point plus each small one but the neutral."""
    point = curve.decode(key)
    return [encode(add((point.x, point.y), small)) for small in TORSION[1:]]


def pem(der: bytes, label: str = "PUBLIC KEY") -> str:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n"


def raw(key: bytes) -> str:
    return base64.b64encode(key).decode()


def accepted(key: bytes, signed: bytes, signature: bytes) -> bool:
    """What the server would say of this key and signature."""
    try:
        parsed = parse_public_key(raw(key), path=PATH)
        return verifies(parsed, parse_signature(signature.hex()), signed)
    except (BadPublicKey, BadSignatureFormat):
        return False


def accepted_by_the_signature_alone(key: bytes, signed: bytes, signature: bytes) -> bool:
    """What it would say if any 32 bytes were taken for a key."""
    try:
        return verifies(key, parse_signature(signature.hex()), signed)
    except BadSignatureFormat:
        return False


def vectors(name: str) -> Any:
    folder = os.environ.get("BINDERY_VECTORS")
    if folder is None:
        pytest.skip(f"BINDERY_VECTORS is not set: the public vectors of {name} were NOT tried")
    return json.loads((Path(folder) / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        raw(KEY),
        raw(KEY).rstrip("="),
        f"\n {raw(KEY)} \n",
        base64.urlsafe_b64encode(KEY).decode(),
        pem(bytes.fromhex(DER_PREFIX) + KEY),
        pem(bytes.fromhex(DER_PREFIX) + KEY).strip().replace("\n", "\r\n"),
    ],
)
def test_a_public_key_is_read_from_pem_or_base64(text: str) -> None:
    assert parse_public_key(text, path=PATH) == KEY


def point_flaws() -> list[tuple[bytes, str]]:
    return [
        *((point, "SMALL_ORDER") for point in SMALL),
        *((point, "NOT_CANONICAL") for point in RESPELT),
        *((point, "MIXED_ORDER") for point in mixed(KEY)),
        ((2).to_bytes(32, "little"), "NOT_ON_CURVE"),
        (b"\xff" * 32, "NOT_CANONICAL"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "WRONG_LENGTH"),
        ("not a key", "MALFORMED"),
        (KEY.hex(), "WRONG_LENGTH"),
        (raw(KEY[:31]), "WRONG_LENGTH"),
        (raw(KEY + b"\0"), "WRONG_LENGTH"),
        (raw(KEY) + "=", "MALFORMED"),
        ("é" + raw(KEY)[1:], "MALFORMED"),
        (pem(bytes.fromhex(DER_PREFIX) + KEY[:31]), "WRONG_LENGTH"),
        (pem(bytes.fromhex(DER_PREFIX) + KEY + b"\0"), "WRONG_LENGTH"),
        (pem(bytes.fromhex(DER_PREFIX.replace("70", "71")) + KEY), "NOT_ED25519"),
        (pem(KEY), "NOT_ED25519"),
        (pem(bytes.fromhex(DER_PREFIX) + KEY).replace("MCow", "M=ow"), "MALFORMED"),
        (pem(bytes.fromhex(DER_PREFIX) + KEY, "CERTIFICATE"), "MALFORMED"),
        (
            pem(bytes.fromhex("302e020100300506032b657004220420") + KEY, "PRIVATE KEY"),
            "PRIVATE_KEY",
        ),
        (pem(bytes.fromhex(DER_PREFIX) + KEY) * 2, "MALFORMED"),
        *((raw(point), reason) for point, reason in point_flaws()),
    ],
)
def test_a_flawed_public_key_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(BadPublicKey) as refused:
        parse_public_key(text, path=PATH)
    assert refused.value.facts == {"reason": reason}
    assert refused.value.path == PATH
    assert refused.value.message.startswith("input.publicKey is ")
    assert refused.value.message.endswith(
        "; send an Ed25519 public key as PEM, or as base64 of its 32 bytes."
    )


def test_the_flaws_are_those_of_real_points() -> None:
    assert len(set(SMALL)) == 8
    assert len(set(RESPELT)) == 6
    assert [multiply(8, point) for point in TORSION] == [(0, 1)] * 8


def test_libsodium_judges_points_alike() -> None:
    points = [bytes(SigningKey(bytes([seed]) * 32).verify_key) for seed in range(8)]
    points += [point for point, _ in point_flaws()]
    points += [hashlib.sha256(bytes([seed])).digest() for seed in range(40)]
    for point in points:
        try:
            ours = parse_public_key(raw(point), path=PATH) == point
        except BadPublicKey:
            ours = False
        assert ours is crypto_core_ed25519_is_valid_point(point), point.hex()


def test_a_fingerprint_is_the_sha_256_of_the_raw_key() -> None:
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    digest = "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"
    assert fingerprint(key) == digest


def test_a_signature_is_read_from_hex_of_any_case() -> None:
    assert parse_signature(SIGNATURE.hex()) == SIGNATURE
    assert parse_signature(SIGNATURE.hex().upper()) == SIGNATURE


@pytest.mark.parametrize(
    "text",
    ["", "g" * 128, SIGNATURE.hex()[:-2], SIGNATURE.hex() + "00", SIGNATURE.hex() + "\n", "0x"],
)
def test_what_is_not_64_bytes_in_hex_is_no_signature(text: str) -> None:
    with pytest.raises(BadSignatureFormat) as refused:
        parse_signature(text, path=("signature",))
    assert refused.value.message == "signature must be 64 bytes as 128 hex digits."
    assert refused.value.path == ("signature",)


def test_an_s_that_is_not_reduced_is_refused() -> None:
    s = int.from_bytes(SIGNATURE[32:], "little")
    for respelt in (L, s + L, 2**256 - 1):
        with pytest.raises(BadSignatureFormat) as refused:
            parse_signature((SIGNATURE[:32] + respelt.to_bytes(32, "little")).hex())
        assert refused.value.message == "input.signature has an S that is not reduced."
    assert len(parse_signature((SIGNATURE[:32] + (L - 1).to_bytes(32, "little")).hex())) == 64


def test_an_r_that_is_no_honest_point_is_refused() -> None:
    flaws = [(point, reason) for point, reason in point_flaws() if reason != "MIXED_ORDER"]
    words = {
        "SMALL_ORDER": "is a point of small order",
        "NOT_CANONICAL": "is not the canonical encoding of a point",
        "NOT_ON_CURVE": "is no point of the curve",
    }
    for point, reason in flaws:
        with pytest.raises(BadSignatureFormat, match=f"has an R that {words[reason]}") as refused:
            parse_signature((point + SIGNATURE[32:]).hex())
        assert refused.value.path == ("input", "signature")


def test_the_message_is_the_hex_digest_in_ascii() -> None:
    assert message(HASH) == HASH.encode("ascii")
    assert len(message(HASH)) == 64


def test_an_honest_signature_verifies() -> None:
    verify(KEY, SIGNATURE, HASH)


def test_a_signature_of_another_binary_key_or_message_is_refused() -> None:
    other = hashlib.sha256(b"other").hexdigest()
    other_key = bytes(SigningKey(bytes(32)).verify_key)
    of_bytes = SIGNER.sign(bytes.fromhex(HASH)).signature
    of_upper_case = SIGNER.sign(HASH.upper().encode()).signature
    of_a_line = SIGNER.sign(f"{HASH}\n".encode()).signature
    mixed_r = mixed(SIGNATURE[:32])[0] + SIGNATURE[32:]
    for key, signature, sha256_hex in [
        (KEY, SIGNATURE, other),
        (other_key, SIGNATURE, HASH),
        (KEY, of_bytes, HASH),
        (KEY, of_upper_case, HASH),
        (KEY, of_a_line, HASH),
        (KEY, mixed_r, HASH),
    ]:
        with pytest.raises(BadSignature) as refused:
            verify(key, parse_signature(signature.hex()), sha256_hex)
        assert refused.value.path == ("input", "signature")
        assert refused.value.message == (
            "input.signature does not verify under this key. Sign the 64 characters of the "
            f"lowercase hex SHA-256 '{sha256_hex}', without a line break."
        )


def test_a_signature_made_by_openssl_verifies(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here: its signatures were NOT tried")
    key, digest = tmp_path / "key.pem", tmp_path / "digest"
    digest.write_text(HASH, encoding="ascii")

    def run(*arguments: str | Path) -> bytes:
        return subprocess.run([openssl, *arguments], check=True, capture_output=True).stdout

    run("genpkey", "-algorithm", "ed25519", "-out", key)
    public = parse_public_key(run("pkey", "-in", key, "-pubout").decode(), path=PATH)
    signature = run("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", digest)
    verify(public, parse_signature(signature.hex()), HASH)
    with pytest.raises(BadPublicKey) as refused:
        parse_public_key(key.read_text(encoding="ascii"), path=PATH)
    assert refused.value.reason == "PRIVATE_KEY"


@pytest.mark.parametrize(
    ("seed", "signed", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "72",
            (
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "af82",
            (
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
    ],
)
def test_the_examples_of_rfc_8032_are_accepted(seed: str, signed: str, signature: str) -> None:
    key = bytes(SigningKey(bytes.fromhex(seed)).verify_key)
    assert accepted(key, bytes.fromhex(signed), bytes.fromhex(signature))


def test_wycheproof() -> None:
    suite = vectors("wyche.json")
    wrong, count = [], 0
    for group in suite["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        assert parse_public_key(group["publicKeyPem"], path=PATH) == key
        for case in group["tests"]:
            count += 1
            said = accepted(key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            if said is not (case["result"] == "valid"):
                wrong.append((case["tcId"], case["comment"]))
    assert (count, wrong) == (151, [])


def test_none_of_speccheck_s_weak_cases_is_accepted() -> None:
    cases = [
        [bytes.fromhex(case[name]) for name in ("pub_key", "message", "signature")]
        for case in vectors("speccheck.json")
    ]
    assert len(cases) == 12
    assert not any(accepted(*case) for case in cases)
    # Its case 3, a key of mixed order, is why keys are judged when they are registered.
    weak = [at for at, case in enumerate(cases) if accepted_by_the_signature_alone(*case)]
    assert weak == [3]


def test_of_cctv_the_one_honest_case_is_accepted() -> None:
    cases = vectors("cctv.json")
    read = [
        (bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
        for case in cases
    ]
    assert len(cases) == 914
    assert [cases[at]["flags"] for at, case in enumerate(read) if accepted(*case)] == [None]
    assert sum(accepted_by_the_signature_alone(*case) for case in read) == 43
