"""The stored results of mutation testing, and the tool that stores them."""

import re
import tomllib

import pytest

from tools.mutate import results
from tools.mutate.results import Group, Mutant, Result

RESULTS = results.load_all()
ONE = Mutant("f", "a < b", "a <= b")
TWO = Mutant("C.g", 'x = "\\\\ä"', "x = None")
SLOW = "The slow path gives the same."


def result(equivalent=(), survived=(), mutants=100, timeouts=0):
    return Result(
        "packed",
        "code",
        "tests",
        mutants,
        timeouts,
        [*equivalent],
        [*survived],
    )


# --- what is stored -------------------------------------------------------


@pytest.mark.parametrize("module", RESULTS)
def test_the_tests_kill_what_can_be_killed(module):
    stored = RESULTS[module]
    assert stored.module == module
    assert module in results.modules(), "the module is gone: delete the file"
    assert results.problems(stored) == []


def test_what_is_not_measured_is_told():
    """A change does not fail here: to measure again can take an hour."""
    if remarks := results.remarks(RESULTS):
        pytest.skip("; ".join(remarks))


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("A = 1", False),
        ("def f(): pass", True),
        ("@contextmanager\ndef f():\n    def g(): pass", False),
        ("@cache\ndef f(): pass\ndef g(): pass", True),
        ("class C:\n    @property\n    def f(self): pass", False),
        ("class C:\n    @staticmethod\n    def f(): pass", True),
    ],
)
def test_a_module_is_listed_if_mutmut_changes_it(
    code, changed, tmp_path, monkeypatch
):
    monkeypatch.setattr(results, "PACKAGE", tmp_path)
    (tmp_path / "one.py").write_text(code, encoding="utf-8")
    assert results.modules() == (["one"] if changed else [])


def test_every_module_has_tests_to_run():
    listed = tomllib.loads(results.MAPPING.read_text("utf-8"))["files"]
    assert set(listed) <= set(results.modules())
    for module in results.modules():
        files = results.test_files(module)
        assert files, module
        assert len(set(files)) == len(files)
        for name in files:
            assert (results.ROOT / name).is_file()


def test_the_environment_has_the_pins_of_the_others():
    def pins(path):
        text = (results.ROOT / path).read_text("utf-8")
        return dict(re.findall(r"^([\w-]+)==(\S+)$", text, flags=re.M))

    own, exact = pins("tools/mutate/requirements.txt"), pins("constraints.txt")
    assert "mutmut" in own
    for name in set(own) & set(exact):
        assert own[name] == exact[name]


# --- the tool -------------------------------------------------------------


def test_a_result_is_read_as_it_was_written():
    written = result([Group(SLOW, [ONE, ONE])], [Group("", [TWO])], timeouts=3)
    assert results.parse(results.render(written)) == written
    assert written.counts == (97, 2, 1)
    assert written.share == 97 / 98
    assert result(mutants=0).share == 1


def test_a_result_with_wrong_counts_is_refused():
    text = results.render(result([Group(SLOW, [ONE])]))
    with pytest.raises(ValueError, match="packed: the counts do not add up"):
        results.parse(text.replace("killed = 99", "killed = 100"))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (result(survived=[Group(SLOW, [ONE] * 6)]), "94.0% of its mutants ar"),
        (result(survived=[Group("", [ONE])]), "no reason is given for Mutant"),
        (result([Group("It is.", [ONE])]), "no reason is given for Mutant"),
        (result([Group(SLOW, [ONE])], mutants=0), "counts do not add up"),
        (result(timeouts=101), "packed: the counts do not add up"),
    ],
)
def test_what_a_result_may_not_say(wrong, text):
    (problem,) = results.problems(wrong)
    assert text in problem


def test_equivalent_mutants_do_not_count():
    assert not results.problems(result([Group(SLOW, [ONE] * 50)]))
    assert not results.problems(result(survived=[Group(SLOW, [ONE] * 5)]))


def test_reasons_stay_with_their_mutants():
    known = result([Group(SLOW, [ONE, ONE])], [Group("It is a text.", [TWO])])
    three = Mutant("h", "return 1", "return 2")
    # One of two equal ones is killed now, and another has come.
    kept = results.sort_out([three, TWO, ONE], known)
    assert kept == (
        [Group(SLOW, [ONE])],
        [Group("It is a text.", [TWO]), Group("", [three])],
    )
    # Nobody has looked at a third that is equal to two known ones.
    kept = results.sort_out([ONE, ONE, ONE], known)
    assert kept == ([Group(SLOW, [ONE, ONE])], [Group("", [ONE])])
    assert results.sort_out([ONE], None) == ([], [Group("", [ONE])])
    empty = result(survived=[Group("", [ONE, TWO])])
    assert results.sort_out([ONE], empty) == ([], [Group("", [ONE])])


def test_new_tests_leave_the_old_ones_as_they_are():
    before = (
        "from m import f\n\nCASES = [1, 2]\n\ndef test_a():\n    assert f(1)\n"
    )
    more = before.replace("f\n", "(\n    f,\n    g,\n)\n", 1)
    more = more.replace("[1, 2]", "[\n    1,\n    3,  # why\n    2,\n]")
    more += "\ndef test_b():\n    assert f(2)\n"
    old, new = map(results.statements, (before, more))
    assert set(old) < set(new)
    changed = results.statements(before.replace("f(1)", "f(2)"))
    assert not set(old) <= set(changed)


def test_a_comment_changes_no_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PACKAGE", tmp_path)
    path = tmp_path / "packed.py"
    digests = []
    for source in ["def f():\n    return 1\n", "def f():\n    return 2\n"]:
        path.write_text(source, "utf-8")
        digests.append(results.digest_of_code("packed"))
        path.write_text(f'"""Text."""\n# why\n{source}', "utf-8")
        assert results.digest_of_code("packed") == digests[-1]
    assert digests[0] != digests[1]
    path.with_name("constants.py").write_text("ONE = 1\n", "utf-8")
    assert results.modules() == ["packed"]


def test_the_table_says_what_is_missing_and_what_has_changed():
    text = results.table({"packed": result([Group(SLOW, [ONE])])})
    rows = [line.split() for line in text.splitlines()]
    assert rows[1] == ["packed", "100", "99", "1", "0", "100.0%"]
    assert rows[2][3:] == ["100", "99", "1", "0", "100.0%"]
    assert "changed since, or their tests: packed" in text
    assert "not measured yet: __main__, " in text
    assert "packed" not in text.splitlines()[-1].split(": ")[1].split(", ")
