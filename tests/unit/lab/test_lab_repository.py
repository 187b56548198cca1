"""Versions that the lab gives to packages."""

import pytest

from selfbalance.lab import repository


@pytest.mark.parametrize(
    ("current", "taken", "following"),
    [
        ("1:2.2.7-1+b2", [], "1:2.2.7-1+b2+lab1"),
        ("1:2.2.7-1+b2+lab1", ["1:2.2.7-1+b2", "1:2.2.7-1+b2+lab1"], "1:2.2.7-1+b2+lab2"),
        ("2.0", ["2.0+lab1", "2.0+lab3"], "2.0+lab2"),
    ],
)
def test_the_next_version_is_the_first_free_one(current, taken, following):
    assert repository.next_version(current, taken) == following


def test_only_the_version_field_changes():
    control = "Package: x\nVersion: 1.0\nDepends: y (= 1.0)\nDescription: v\n Version: no\n"
    changed = repository.set_version(control, r"2.0\1")
    assert changed == control.replace("\nVersion: 1.0", "\nVersion: 2.0\\1")
