"""What real nodes printed: `recorded/` holds it as it came, web2 being MASTER."""

from __future__ import annotations

from pathlib import Path

RECORDED = {
    name: (Path(__file__).parent / "recorded" / f"bookworm-{name}.txt").read_text(encoding="utf-8")
    for name in ("web1", "web2", "web3")
}
