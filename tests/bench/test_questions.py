"""The questions of a measurement are ones the product can be asked."""

import pytest

from tests.bench.dialects import DUCKDB, ENGINE, POSTGRES, SQLITE, Dialect, written
from tests.bench.questions import COMPARED, Usage, families
from tests.bench.sheet import Sheet, verdict


@pytest.mark.parametrize("days", [90, 365])
def test_every_question_of_the_table_is_valid(days: int) -> None:
    asked = [q for family in families(days) for q in family.questions]
    assert len(asked) > 100
    for question in asked:
        assert question.params(1, ["req_1"])["as_of"] != question.params(2, ["req_1"])["as_of"]
        if isinstance(question, Usage):
            assert len(question.query(1).buckets) <= 750


def test_names_tell_questions_apart() -> None:
    for family in families(90):
        names = [q.name for q in family.questions]
        assert len(set(names)) == len(names)
    assert len({q.name for q in COMPARED}) == len(COMPARED)


@pytest.mark.parametrize("how", [ENGINE, DUCKDB, POSTGRES, SQLITE])
def test_every_compared_question_has_words_in_every_engine(how: Dialect) -> None:
    for question in COMPARED:
        text = written(question, 1, ["req_1"], how)
        assert f"workspace_id = '{question.workspace}'" in text


def test_a_missed_target_says_by_how_much() -> None:
    assert verdict(90, 100) == "yes"
    assert verdict(250, 100) == "no, 2.5×"
    assert verdict(100_000, 500_000, least=True) == "no, 5.0×"


def test_a_sheet_becomes_a_table_of_the_page() -> None:
    sheet = Sheet("Times", ("what", "ms"), [("log", "5")], "Quick.")
    assert sheet.markdown() == "### Times\n\n| what | ms |\n| --- | ---: |\n| log | 5 |\n\nQuick.\n"
