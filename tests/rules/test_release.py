from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.errors import ReleaseConstrained, ReleaseGraph
from app.rules.phase import Phase
from app.rules.release import (
    CohortGraph,
    ConstraintRule,
    Edge,
    GraphRule,
    ReleaseFacts,
    check_anti_arborescence,
    check_constraints,
    check_new_latest,
    check_phase_change,
    insert,
    move,
    with_edges,
)
from tests.rules import oracle

AT = datetime(2030, 1, 1, tzinfo=UTC)
LATER = AT + timedelta(seconds=1)


def uid(number: int) -> UUID:
    return UUID(int=number)


def release(number: int, next_number: int | None, **more: object) -> ReleaseFacts:
    facts: dict[str, object] = {"bundle_id": uid(100 + number), **more}
    next_id = None if next_number is None else uid(next_number)
    return ReleaseFacts(uid(number), next_id, **facts)  # type: ignore[arg-type]


def chain(length: int, **latest: object) -> CohortGraph:
    """Releases 1 → 2 → … → length; `latest` are facts of the last one."""
    releases = [release(number, number + 1) for number in range(1, length)]
    return CohortGraph([*releases, release(length, None, **latest)])


def numbers(releases: tuple[ReleaseFacts, ...]) -> list[int]:
    return [release.id.int for release in releases]


# The graph.


def test_an_empty_cohort_has_no_latest_and_no_start() -> None:
    graph = CohortGraph()
    assert (graph.latest, graph.start_id, graph.path(None)) == (None, None, ())
    assert check_anti_arborescence([]) == {}


def test_a_graph_knows_its_latest_and_the_paths_to_it() -> None:
    graph = CohortGraph([release(1, 3), release(2, 3), release(3, 4), release(4, None)])
    assert graph.latest == release(4, None)
    assert [number for number in range(6) if graph.is_latest(uid(number))] == [4]
    assert numbers(graph.path(uid(2))) == [2, 3, 4]
    assert numbers(graph.path(uid(2))) == [2, 3, 4]
    assert numbers(graph.after(uid(1))) == [3, 4]
    assert graph.after(uid(4)) == ()
    assert (graph.get(uid(3)), graph.get(uid(9)), graph.get(None)) == (release(3, 4), None, None)


@pytest.mark.parametrize(
    ("releases", "rule"),
    [
        ([release(1, 2)], GraphRule.UNKNOWN_RELEASE),
        ([release(1, None), release(2, None)], GraphRule.SECOND_LATEST),
        ([release(1, 1)], GraphRule.CYCLE),
        ([release(1, 2), release(2, 1)], GraphRule.CYCLE),
        ([release(1, 2), release(2, 1), release(3, None)], GraphRule.CYCLE),
    ],
)
def test_what_is_no_anti_arborescence_is_refused(
    releases: list[ReleaseFacts], rule: GraphRule
) -> None:
    for judge in (check_anti_arborescence, CohortGraph):
        with pytest.raises(ReleaseGraph) as refused:
            judge(releases)
        assert refused.value.rule == rule


@pytest.mark.parametrize(
    ("facts", "counted"),
    [
        ({}, False),
        ({"phase_tags": frozenset({"beta"})}, False),
        ({"phase_value": Decimal("0.5")}, True),
        ({"halt_after": 1}, True),
        ({"halt_after": 1, "archived": True}, False),
    ],
)
def test_a_graph_tells_whether_numbers_matter(facts: dict[str, object], counted: bool) -> None:
    assert CohortGraph([release(1, 2), release(2, None, **facts)]).is_counted is counted


def test_steps_are_counted_from_the_latest() -> None:
    releases = [release(1, 3), release(2, 3), release(3, 4), release(4, None)]
    assert check_anti_arborescence(releases) == {uid(4): 0, uid(3): 1, uid(1): 2, uid(2): 2}


@pytest.mark.parametrize(
    ("releases", "start"),
    [
        ([release(5, 1), release(1, None)], 5),
        ([release(5, 9), release(3, 9), release(9, None)], 3),
        ([release(3, 9, archived=True), release(5, 9), release(9, None)], 5),
        ([release(1, 2, archived=True), release(2, None)], 2),
        # An archived release is as if it were not there: 4 leads to 1 through it.
        ([release(4, 3), release(3, 1, archived=True), release(1, None)], 4),
        ([release(1, None, archived=True)], None),
    ],
)
def test_a_device_that_reported_nothing_starts_at_the_lowest_id_that_nothing_leads_to(
    releases: list[ReleaseFacts], start: int | None
) -> None:
    assert CohortGraph(releases).start_id == (None if start is None else uid(start))


def test_a_bundle_in_several_releases_counts_as_the_nearest_to_the_latest_then_the_highest_id() -> (
    None
):
    one, two = uid(201), uid(202)
    graph = CohortGraph(
        [
            release(9, 1, bundle_id=one),
            release(1, 4, bundle_id=one),
            release(2, 4, bundle_id=two),
            release(3, 4, bundle_id=two),
            release(4, None),
        ]
    )
    assert graph.by_bundle[one].id == uid(1)
    assert graph.by_bundle[two].id == uid(3)


def test_a_graph_knows_which_tags_and_claims_matter() -> None:
    graph = CohortGraph(
        [
            release(1, 2, archived=True, phase_tags=frozenset({"old"})),
            release(2, 3, phase_value=Decimal(1)),
            release(3, 4, phase_value=Decimal("0.5")),
            release(4, None, phase_tags=frozenset({"beta", "lab"})),
        ]
    )
    assert graph.phase_tags == {"beta", "lab"}
    assert graph.phased_ids == {uid(3), uid(4)}


# Insertion.


def place(
    graph: CohortGraph, *, before: int | None = None, previous: int | None = None
) -> tuple[Edge, ...]:
    return insert(
        graph,
        new_id=uid(9),
        next_id=None if before is None else uid(before),
        previous_id=None if previous is None else uid(previous),
        at=AT,
    )


def test_the_first_release_is_the_latest() -> None:
    assert place(CohortGraph()) == (Edge(uid(9), None),)


def test_without_next_the_new_release_becomes_the_latest_and_the_former_points_to_it() -> None:
    assert place(chain(2)) == (Edge(uid(2), uid(9)), Edge(uid(9), None))


def test_with_next_the_new_release_is_put_before_that_one() -> None:
    assert place(chain(2), before=2) == (Edge(uid(9), uid(2)),)


def test_with_both_it_comes_between_neighbours() -> None:
    assert place(chain(3), previous=1, before=2) == (Edge(uid(1), uid(9)), Edge(uid(9), uid(2)))


def test_with_previous_alone_it_comes_between_that_one_and_its_next() -> None:
    assert place(chain(3), previous=2) == (Edge(uid(2), uid(9)), Edge(uid(9), uid(3)))


def test_after_the_latest_it_becomes_the_latest() -> None:
    assert place(chain(3), previous=3) == (Edge(uid(3), uid(9)), Edge(uid(9), None))


def test_two_that_are_no_neighbours_are_refused() -> None:
    with pytest.raises(ReleaseGraph) as refused:
        place(chain(3), previous=1, before=3)
    assert refused.value.rule == GraphRule.NOT_NEIGHBOURS
    assert refused.value.facts == {"rule": "NOT_NEIGHBOURS"}
    assert refused.value.message == (
        "The next release does not follow the previous one; name two neighbours."
    )


@pytest.mark.parametrize(
    ("before", "previous", "field"), [(7, None, "nextReleaseId"), (None, 7, "previousReleaseId")]
)
def test_a_neighbour_of_another_cohort_is_refused(
    before: int | None, previous: int | None, field: str
) -> None:
    with pytest.raises(ReleaseGraph) as refused:
        place(chain(2), before=before, previous=previous)
    assert refused.value.rule == GraphRule.UNKNOWN_RELEASE
    assert refused.value.path == ("input", field)


CONSTRAINED = [
    ({"scheduled_at": LATER}, "SCHEDULED"),
    ({"phase_value": Decimal("0.5")}, "PHASED"),
    ({"phase_value": Decimal(0)}, "PHASED"),
    ({"phase_value": Decimal(10)}, "PHASED"),
    ({"phase_tags": frozenset({"beta"})}, "PHASED"),
]


@pytest.mark.parametrize(("facts", "rule"), CONSTRAINED)
@pytest.mark.parametrize("previous", [None, 2])
def test_no_new_latest_while_the_present_one_is_scheduled_or_phased(
    facts: dict[str, object], rule: str, previous: int | None
) -> None:
    with pytest.raises(ReleaseConstrained) as refused:
        place(chain(2, **facts), previous=previous)
    assert refused.value.rule == f"LATEST_{rule}"
    archived = chain(2, archived=True, **facts)
    assert place(archived, previous=previous) == (Edge(uid(2), uid(9)), Edge(uid(9), None))


@pytest.mark.parametrize(("facts", "rule"), CONSTRAINED)
def test_before_a_constrained_latest_releases_are_inserted(
    facts: dict[str, object], rule: str
) -> None:
    graph = chain(2, **facts)
    assert place(graph, before=2) == (Edge(uid(9), uid(2)),)
    assert place(graph, before=2, previous=1) == (Edge(uid(1), uid(9)), Edge(uid(9), uid(2)))


@pytest.mark.parametrize("facts", [{"scheduled_at": AT}, {"phase_value": Decimal("1.0")}, {}])
def test_a_latest_whose_date_has_come_and_that_is_open_to_everyone_is_followed(
    facts: dict[str, object],
) -> None:
    check_new_latest(release(1, None, **facts), at=AT)
    assert place(chain(1, **facts)) == (Edge(uid(1), uid(9)), Edge(uid(9), None))


# Only the latest is constrained.


@pytest.mark.parametrize(("facts", "rule"), CONSTRAINED)
def test_only_the_latest_is_scheduled_or_phased(facts: dict[str, object], rule: str) -> None:
    check_constraints(release(1, None, **facts), at=AT)
    check_constraints(release(1, 2, archived=True, **facts), at=AT)
    with pytest.raises(ReleaseConstrained) as refused:
        check_constraints(release(1, 2, **facts), at=AT)
    assert refused.value.rule == f"ONLY_LATEST_{rule}"


@pytest.mark.parametrize("facts", [{"scheduled_at": AT}, {"phase_value": Decimal(1)}, {}])
def test_any_release_may_have_a_past_date_and_be_open_to_everyone(
    facts: dict[str, object],
) -> None:
    check_constraints(release(1, 2, **facts), at=AT)


def test_after_1_a_phase_does_not_change() -> None:
    final = Phase(Decimal("1.0"))
    check_phase_change(final, Phase(Decimal(1)))
    for wanted in (Phase(Decimal("0.5")), Phase(), Phase(tags=frozenset({"beta"}))):
        with pytest.raises(ReleaseConstrained) as refused:
            check_phase_change(final, wanted)
        assert refused.value.rule == ConstraintRule.PHASE_FINAL
        check_phase_change(wanted, final)
        check_phase_change(wanted, Phase(Decimal("0.1")))


# Moves.


def moved(graph: CohortGraph, number: int, next_number: int | None) -> tuple[Edge, ...]:
    next_id = None if next_number is None else uid(next_number)
    return move(graph, release_id=uid(number), next_id=next_id)


def test_a_move_changes_one_edge() -> None:
    edges = moved(chain(4), 1, 3)
    assert edges == (Edge(uid(1), uid(3)),)
    after = CohortGraph(with_edges(chain(4).releases, edges))
    assert [numbers(after.path(uid(number))) for number in (1, 2)] == [[1, 3, 4], [2, 3, 4]]


def test_a_move_to_where_it_points_already_changes_nothing() -> None:
    assert moved(chain(3), 1, 2) == ()


@pytest.mark.parametrize(
    ("number", "next_number", "rule"),
    [
        (3, 1, GraphRule.LATEST_STAYS),
        (3, None, GraphRule.LATEST_STAYS),
        (1, None, GraphRule.NEXT_NEEDED),
        (2, 1, GraphRule.CYCLE),
        (2, 2, GraphRule.CYCLE),
        (7, 1, GraphRule.UNKNOWN_RELEASE),
        (1, 7, GraphRule.UNKNOWN_RELEASE),
    ],
)
def test_a_move_that_breaks_the_graph_is_refused(
    number: int, next_number: int | None, rule: GraphRule
) -> None:
    with pytest.raises(ReleaseGraph) as refused:
        moved(chain(3), number, next_number)
    assert refused.value.rule == rule


@pytest.mark.parametrize("kept", [{"archived": True, "required": True}, {"required": False}])
def test_a_move_past_a_required_release_is_refused_unless_it_is_archived(
    kept: dict[str, object],
) -> None:
    for number in (1, 2):
        with pytest.raises(ReleaseGraph) as refused:
            moved(_gate(required=True), number, 4)
        assert refused.value.rule == GraphRule.REQUIRED_LOST
        assert refused.value.message == (
            "Devices would no longer pass a release that is required; "
            "archive it first, or choose a next release that leads to it."
        )
        assert moved(_gate(**kept), number, 4) == (Edge(uid(number), uid(4)),)


def _gate(**facts: object) -> CohortGraph:
    return CohortGraph([release(1, 2), release(2, 3), release(3, 4, **facts), release(4, None)])


def test_a_move_that_keeps_the_required_release_on_the_path_passes() -> None:
    graph = CohortGraph(
        [release(1, 2), release(2, 3), release(3, 4, required=True), release(4, None)]
    )
    assert moved(graph, 1, 3) == (Edge(uid(1), uid(3)),)


def test_a_move_may_not_take_a_required_release_from_devices_that_report_nothing() -> None:
    # They start at 5, the only one that nothing leads to; afterwards they would start at 1.
    graph = CohortGraph([release(5, 1, required=True), release(1, 2), release(2, None)])
    with pytest.raises(ReleaseGraph) as refused:
        moved(graph, 5, 2)
    assert refused.value.rule == GraphRule.REQUIRED_LOST


def test_a_move_may_not_take_a_required_release_from_devices_that_report_a_bundle() -> None:
    # The bundle counts as release 3, before the required one; afterwards as 1, behind it.
    both = uid(200)
    graph = CohortGraph(
        [
            release(1, 6, bundle_id=both),
            release(6, 7),
            release(7, 5),
            release(3, 4, bundle_id=both),
            release(4, 5, required=True),
            release(5, None),
        ]
    )
    assert (graph.by_bundle[both].id, numbers(graph.after(uid(3)))) == (uid(3), [4, 5])
    with pytest.raises(ReleaseGraph) as refused:
        moved(graph, 1, 5)
    assert refused.value.rule == GraphRule.REQUIRED_LOST


def test_edges_of_new_releases_change_no_other() -> None:
    graph = chain(2)
    assert with_edges(graph.releases, (Edge(uid(2), uid(9)), Edge(uid(9), None))) == (
        release(1, 2),
        release(2, 9),
    )


@settings(max_examples=max(1, oracle.EXAMPLES // 4), deadline=None, database=None)
@given(st.binary(min_size=oracle.TAPE, max_size=oracle.TAPE), st.data())
def test_edits_keep_the_graph_and_every_required_release(data: bytes, more: st.DataObject) -> None:
    world = oracle.world(data)
    releases = tuple(world.releases)
    ids = [release.id for release in releases]
    pick = st.sampled_from([*ids, None, uid(0xFFF)])
    for step in range(4):
        graph = CohortGraph(releases)
        first, second = more.draw(pick), more.draw(pick)
        try:
            if step % 2 and first is not None:
                edges = move(graph, release_id=first, next_id=second)
            else:
                new_id = uid(0xB00 + step)
                edges = insert(graph, new_id=new_id, next_id=first, previous_id=second, at=AT)
                releases = (*releases, ReleaseFacts(new_id, None, uid(0xB00)))
        except (ReleaseGraph, ReleaseConstrained):
            continue
        before = {r.id: graph.after(r.id) for r in graph.releases}
        releases = with_edges(releases, edges)
        check_anti_arborescence(releases)
        after = CohortGraph(releases)
        for id, path in before.items():
            required = {r.id for r in path if r.required and not r.archived}
            assert required <= {r.id for r in after.after(id)}
