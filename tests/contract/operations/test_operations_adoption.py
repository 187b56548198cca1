"""A keepalived.conf that somebody else wrote: refused; where that is said, overwritten and kept."""

from __future__ import annotations

import pytest
from foundings import LINES, lines, rendered

from selfbalance.desired import places

CONF = rendered("keepalived.conf.j2", 2)
STRANGE = CONF.replace("state BACKUP", "track_script {\n x\n }")


def foreign(site, conf: str) -> None:
    """Let web3 have a keepalived.conf of somebody else's."""
    files = site.world["web3"]["files"]
    site.change("web3", files={**files, places.CONFIG: [conf, 0o644]})
    site.inventory(web3={"foreign": [*lines(conf), *LINES]})


def test_status_tells_it_once(deployed):
    foreign(deployed, CONF)
    run = deployed.run("status")

    assert run.status == 1
    assert "web3: keepalived.conf is of the 2013 design: VRRP version 2, VRID 51" in run.said
    assert "migrate it: docs/migrate-from-2013.md" in run.said
    assert "was changed by hand" not in run.said
    assert run.changes == []


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        (CONF, "two dialects of VRRP make two MASTERs; nothing was changed"),
        (STRANGE, "web3: keepalived.conf is neither selfbalance's nor of the 2013 design: its"),
    ],
    ids=["another dialect", "not known"],
)
@pytest.mark.parametrize("flags", [(), ("--dry",)])
def test_it_is_not_overwritten(deployed, conf, said, flags):
    foreign(deployed, conf)
    before = deployed.world
    run = deployed.run("cluster", *flags)

    assert said in run.said
    assert "Traceback" not in run.said
    assert run.changes == []
    assert deployed.world == before
    if not flags:
        assert run.status == 1


def test_what_is_not_known_is_overwritten_where_that_is_said(deployed):
    foreign(deployed, STRANGE)
    run = deployed.run("cluster", "--data", "replace=true")

    assert run.status == 0, run.said
    texts = [event["what"] for event in run.log if event["host"] == "web3"]
    (kept,) = (at for at, text in enumerate(texts) if places.ADOPTED in text and "cp -pL" in text)
    (acted,) = (
        at
        for at, text in enumerate(texts)
        if "restart keepalived.service" in text
        or "reload keepalived.service" in text
        or "reload-or-restart" in text
    )
    assert kept < acted
    assert deployed.world["web3"]["files"][places.CONFIG][0].startswith("# Written by selfbalance")


def test_another_word_than_true_is_refused(deployed):
    run = deployed.run("cluster", "--data", "replace=perhaps")

    assert run.status != 0
    assert "--data replace=perhaps: true or false; nothing was changed" in run.said
