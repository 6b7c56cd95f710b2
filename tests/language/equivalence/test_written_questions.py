"""The questions that were written for training: whole groups, and domains that are fitted or measured, never both."""

from __future__ import annotations

from benchmarks.training.written import FOLDER, HELD, groups, written_pairs


def test_every_line_is_in_a_group_of_ways_to_ask_and_of_others() -> None:
    for group in groups():
        assert len(group.same) > 1, group
        assert group.other, group
        assert len({*group.same, *group.other}) == len(group.same) + len(group.other), group
    lines = [line for file in FOLDER.glob("*.txt") for line in file.read_text("utf-8").splitlines() if line]
    assert len(lines) == sum(len(group.same) + len(group.other) for group in groups())


def test_no_domain_is_both_fitted_and_measured() -> None:
    fitted, measured = ({domain for *_, domain in written_pairs(held=held)} for held in (False, True))
    assert not fitted & measured
    assert measured == set(HELD)
    assert fitted | measured == {file.stem for file in FOLDER.glob("*.txt")}
