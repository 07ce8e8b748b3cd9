"""Pictures of the reports for the docs: `make pictures`.

What they show is the example of docs/policy.md. The digest of each report stands beside the
pictures, so that a test can tell when they are no longer current.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from datetime import date
from pathlib import Path

from markdown_it import MarkdownIt

from ecr_publish.gate import judge
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.plan import policy
from ecr_publish.policy_file import effective
from ecr_publish.reference import Repository
from ecr_publish.replay import read
from ecr_publish.report.comment import comment
from ecr_publish.report.page import page
from ecr_publish.report.summary import summary
from tests.factories import CANDIDATE, NAME, RUN_URL, make_inputs, make_outcome

CHECKOUT = Path(__file__).resolve().parent.parent
PICTURES = CHECKOUT / "docs/pictures"
DIGESTS = PICTURES / "digests.json"
TODAY = date(2026, 11, 23)

_SIZES = {"summary": (1000, 1500), "comment": (1000, 480), "page": (1280, 1300)}
_COLOURS = {
    "light": ("#ffffff", "#1f2328", "#d1d9e0", "#0969da"),
    "dark": ("#0d1117", "#f0f6fc", "#3d444d", "#4493f8"),
}
_STYLE = """
body {{ margin: 0; padding: 24px; background: {0}; color: {1};
       font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif }}
h2, h3 {{ border-bottom: 1px solid {2}; padding-bottom: 6px }}
table {{ border-collapse: collapse; margin: 12px 0 }}
th, td {{ border: 1px solid {2}; padding: 6px 13px }}
code {{ font: 12px ui-monospace, "Liberation Mono", monospace }}
a {{ color: {3}; text-decoration: none }}
blockquote {{ margin: 12px 0; padding: 0 16px; border-left: 4px solid {2} }}
"""


def reports() -> dict[str, str]:
    """The reports that are shown, each by its name."""
    outcome = _outcome()
    return {
        "summary": summary(outcome),
        "comment": comment(outcome, repository=Repository(NAME), run_url=RUN_URL),
        "page": "".join(page(outcome)),
    }


def digests(texts: dict[str, str]) -> dict[str, str]:
    """What tells whether a picture is current."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def main() -> None:
    """Draw every report in light and dark."""
    PICTURES.mkdir(exist_ok=True)
    texts = reports()
    for name, text in texts.items():
        for theme in _COLOURS:
            _draw(name, text if name == "page" else _github(text, theme), theme)
    DIGESTS.write_text(json.dumps(digests(texts), indent=2) + "\n", encoding="utf-8")


def _outcome() -> Outcome:
    """The end of a run that the example's policy has refused."""
    inputs = make_inputs(policy_file="examples/policy/ecr-publish.yml", severity_threshold=None)
    rules = effective(inputs, lambda path: _file(CHECKOUT / path), TODAY)
    evidence = read((CHECKOUT / "examples/policy/report.json").read_bytes(), rules)
    verdict = judge(evidence, policy(inputs, rules), TODAY)
    return make_outcome(
        evidence=evidence, verdict=verdict, candidate=CANDIDATE, promotion=Promotion()
    )


def _file(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _github(text: str, theme: str) -> str:
    """Roughly as GitHub shows Markdown."""
    # Not every machine has a font with the cross.
    text = text.replace("❌", "✖")
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    style = _STYLE.format(*_COLOURS[theme])
    return f"<!doctype html><meta charset=utf-8><style>{style}</style>{body}"


def _draw(name: str, html: str, theme: str) -> None:
    width, height = _SIZES[name]
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "report.html")
        source.write_text(html, encoding="utf-8")
        subprocess.run(
            [
                *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                # Blink's own number for it.
                f"--blink-settings=preferredColorScheme={int(theme == 'light')}",
                f"--window-size={width},{height}",
                f"--screenshot={PICTURES / f'{name}-{theme}.png'}",
                source.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )


if __name__ == "__main__":
    main()
