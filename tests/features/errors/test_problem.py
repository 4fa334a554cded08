import pytest

from features.errors import InputError, Problem, collect, did_you_mean, first_line, name_some


def test_a_problem_says_what_where_got_allowed_and_remedy_in_one_block():
    problem = Problem(
        what="Not a possible value",
        where="row 3, column ecog",
        got="7",
        allowed="a whole number from 0 to 4",
        remedy="correct it",
    )
    assert str(problem).splitlines() == [
        "Not a possible value",
        "  where:   row 3, column ecog",
        "  got:     7",
        "  allowed: a whole number from 0 to 4",
        "  remedy:  correct it",
    ]


def test_what_a_problem_does_not_know_takes_no_line():
    assert str(Problem(what="Empty", remedy="fill it")) == "Empty\n  remedy:  fill it"


def test_an_input_error_keeps_every_problem_in_order():
    first, second = Problem(what="first"), Problem(what="second", got="2")
    error = InputError(problem for problem in (first, second))
    assert error.problems == (first, second)
    assert str(error) == "first\nsecond\n  got:     2"
    assert isinstance(error, ValueError)


def test_an_input_error_takes_a_single_problem():
    assert InputError(Problem(what="only")).problems == (Problem(what="only"),)


def test_collect_returns_what_was_read_and_notes_nothing():
    problems = []
    assert collect(problems, lambda: 5) == 5
    assert problems == []


def test_collect_adds_the_problems_to_those_already_found():
    found = Problem(what="found before")
    wrong = (Problem(what="a"), Problem(what="b"))
    problems = [found]

    def read():
        raise InputError(wrong)

    assert collect(problems, read) is None
    assert problems == [found, *wrong]


def test_collect_hides_no_other_error():
    with pytest.raises(ZeroDivisionError):
        collect([], lambda: 1 / 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lerners", "did you mean 'learners'? "),
        ("fold", "did you mean 'folds'? "),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_did_you_mean_names_only_a_near_key(name, expected):
    assert did_you_mean(name, ("seed", "folds", "learners")) == expected


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, ""),
        (2, "0, 1"),
        (3, "0, 1, 2"),
        # 7 names, 3 of them shown: 7 - 3 = 4 are left out.
        (7, "0, 1, 2, ... (4 more)"),
    ],
)
def test_name_some_counts_what_it_leaves_out(n, expected):
    assert name_some(range(n), most=3) == expected


def test_the_first_line_of_an_error_is_what_the_system_said():
    assert first_line(OSError(28, "No space left on device", "file")) == "No space left on device"
    assert first_line(ValueError("\n one\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"
