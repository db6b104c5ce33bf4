from uuid import UUID

import pytest

from app.rules.errors import BadUserInput
from app.rules.ids import new_id
from app.rules.prn import Kind, Prn, format_prn, parse_prn, prefix

ORGANIZATION = "01890000-0000-7000-8000-00000000000a"
OTHER = "01890000-0000-7000-8000-00000000000b"
PATH = ("input", "binaryId")


def test_the_type_words() -> None:
    assert sorted(Kind) == [
        "api_key",
        "artifact",
        "artifact_version",
        "binary",
        "binary_part",
        "binary_signature",
        "bundle",
        "cohort",
        "device",
        "event",
        "organization",
        "product",
        "release",
        "signing_key",
        "webhook",
        "webhook_delivery",
    ]


def test_a_name_is_written_from_uuids_or_text() -> None:
    name = f"prn:1:{ORGANIZATION}:artifact_version:{OTHER}"
    assert format_prn(Kind.ARTIFACT_VERSION, UUID(ORGANIZATION), UUID(OTHER)) == name
    assert format_prn(Kind.ARTIFACT_VERSION, ORGANIZATION, OTHER) == name
    assert prefix(Kind.ARTIFACT_VERSION, ORGANIZATION) + OTHER == name


def test_an_organization_is_named_by_its_own_uuid_alone() -> None:
    organization = UUID(ORGANIZATION)
    name = format_prn(Kind.ORGANIZATION, organization, organization)
    assert name == f"prn:1:{ORGANIZATION}"
    parsed = parse_prn(name, kind=Kind.ORGANIZATION, path=PATH)
    assert parsed == Prn(organization=organization, type=None, id=organization)
    assert parsed.kind is Kind.ORGANIZATION


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.ORGANIZATION])
def test_a_written_name_is_read_back(kind: Kind) -> None:
    organization, own = new_id(), new_id()
    name = format_prn(kind, organization, own)
    assert parse_prn(name, path=PATH) == Prn(organization=organization, type=kind, id=own)
    assert parse_prn(name, kind=kind, path=PATH).kind is kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "prn",
        ORGANIZATION,
        "prn:1:",
        f"prn:2:{ORGANIZATION}",
        f"PRN:1:{ORGANIZATION}",
        f"prn:1:{ORGANIZATION.upper()}",
        f"prn:1:{ORGANIZATION.replace('-', '')}",
        f"prn:1:{{{ORGANIZATION}}}",
        f"prn:1:{ORGANIZATION}:",
        f"prn:1:{ORGANIZATION}:binary",
        f"prn:1:{ORGANIZATION}:binary:",
        f"prn:1:{ORGANIZATION}:binary:{OTHER.upper()}",
        f"prn:1:{ORGANIZATION}:binary:{OTHER[:-1]}",
        f"prn:1:{ORGANIZATION}:binary:{OTHER}0",
        f"prn:1:{ORGANIZATION}:binary:{OTHER}\n",
        f" prn:1:{ORGANIZATION}:binary:{OTHER}",
        f"prn:1:{ORGANIZATION}:binary:{OTHER}:{OTHER}",
        f"prn:1:{ORGANIZATION}:binaries:{OTHER}",
        f"prn:1:{ORGANIZATION}:organization:{OTHER}",
        f"prn:1:{ORGANIZATION}:binary:{OTHER[:-1]}\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_a_malformed_name_is_refused(text: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        parse_prn(text, path=PATH)
    assert refused.value.path == PATH
    assert refused.value.message == (
        "input.binaryId must be a resource name of the form "
        "prn:1:<organization uuid>:<type>:<uuid>, with uuids in lowercase."
    )


def test_a_malformed_name_is_refused_with_the_form_of_its_type() -> None:
    with pytest.raises(BadUserInput, match="of the form prn:1:<organization uuid>:binary:<uuid>,"):
        parse_prn("17", kind=Kind.BINARY, path=PATH)


def test_a_name_of_another_type_is_refused() -> None:
    with pytest.raises(BadUserInput) as refused:
        parse_prn(f"prn:1:{ORGANIZATION}:device:{OTHER}", kind=Kind.BINARY, path=PATH)
    assert refused.value.path == PATH
    assert refused.value.message == (
        "input.binaryId names a thing of type device, but must be of the form "
        "prn:1:<organization uuid>:binary:<uuid>."
    )


def test_a_part_of_an_organization_is_not_the_organization() -> None:
    with pytest.raises(BadUserInput, match=r"of the form prn:1:<organization uuid>\.$"):
        parse_prn(f"prn:1:{ORGANIZATION}:device:{OTHER}", kind=Kind.ORGANIZATION, path=PATH)
    with pytest.raises(BadUserInput, match="names a thing of type organization"):
        parse_prn(f"prn:1:{ORGANIZATION}", kind=Kind.DEVICE, path=PATH)
