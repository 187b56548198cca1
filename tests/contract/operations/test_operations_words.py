"""What an operator reads: one line for what is wrong, and never a secret."""

from __future__ import annotations

import base64

import pytest

SECRET = "Q7.rzW%k"
WRONG = {
    "a VIP": ('"192.0.2.10"', '"192.0.2.300"', "'192.0.2.300' is not an IP address"),
    "a secret that is not there": (
        'name = "web"\n',
        'name = "web"\ndetection = "calm"\nvrrp = {version = 2, password = "env:NO_SUCH"}\n',
        "the environment has no NO_SUCH",
    ),
}


@pytest.mark.parametrize(("old", "new", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_description_is_one_line_and_nothing_is_contacted(bare, old, new, words):
    bare.describe((bare.path / "web.toml").read_text().replace(old, new, 1))

    run = bare.run("cluster")

    assert (run.status, run.log) == (1, [])
    assert words in run.error
    assert "web.toml" in run.error
    assert "Traceback" not in run.said
    assert ".py:" not in run.error


def test_a_group_that_is_no_cluster_is_one_line_and_nothing_is_changed(bare):
    bare.write("inventory.py", 'web = ["@node/web1"]\n')

    run = bare.run("cluster")

    assert (run.status, run.changes) == (1, [])
    assert "make the inventory's group with selfbalance.inventory.hosts()" in run.said
    assert "Traceback" not in run.said


def _forms(secret: str) -> list[str]:
    """The secret as it is, and inside of base64 at each of three places."""
    forms = [secret]
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + secret.encode() + b"xx").decode()
        forms.append(encoded[4 if shift else 0 : -4])
    return forms


@pytest.mark.parametrize(
    ("flags", "answers"), [(["-vvv", "--debug"], ""), (["-vvv", "--diff"], "\n")], ids=str
)
def test_a_secret_is_in_no_command_and_in_nothing_that_is_said(bare, flags, answers):
    bare.environment["VRRP_PASSWORD"] = SECRET
    bare.describe(
        'detection = "calm"\nvrrp = {version = 2, password = "env:VRRP_PASSWORD"}\n'
        + (bare.path / "web.toml").read_text()
    )

    run = bare.run("cluster", *flags, answers=answers)

    assert run.status == 0, run.said
    commands = "\n".join(event["what"] for event in run.log)
    for form in _forms(SECRET):
        assert form not in run.said
        assert form not in commands
    if "--diff" in flags:
        assert "auth_pass ********" in run.said
    assert SECRET in bare.world["web1"]["files"]["/etc/keepalived/keepalived.conf"][0]


def test_a_password_of_another_value_is_hidden_in_the_difference_too(deployed):
    """What is on the node is a secret as well."""
    old = "OldPass1"
    for name in ("web1", "web2", "web3"):
        files = deployed.world[name]["files"]
        text = files["/etc/keepalived/keepalived.conf"][0] + f"auth_pass {old}\n"
        deployed.change(name, files={**files, "/etc/keepalived/keepalived.conf": [text, 0o600]})

    run = deployed.run("cluster", "--dry", "--diff")

    assert old not in run.said
    assert "-auth_pass ********" in run.said


def test_an_inventory_shown_for_debugging_shows_no_secret(bare):
    bare.environment["VRRP_PASSWORD"] = SECRET
    bare.describe(
        'detection = "calm"\nvrrp = {version = 2, password = "env:VRRP_PASSWORD"}\n'
        + (bare.path / "web.toml").read_text()
    )

    run = bare.run_words("inventory.py", "debug-inventory")

    assert run.status == 0, run.said
    assert "env:VRRP_PASSWORD" in run.said
    assert SECRET not in run.said
