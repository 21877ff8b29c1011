#!/usr/bin/env python3
"""Makes terminal.svg, the picture in the README, from a real run in a real pseudo-terminal.

    pip install pexpect pyte
    cargo build --release
    docs/pictures/terminal.py target/release/rectify

An operator rehearses the flagship: reads, approves what cannot be undone, approves the next changes, then lets it go on. What the terminal
shows is kept whenever it has changed for a reader; the picture shows those screens one after the other, with pauses that can be read.
"""

import html
import os
import pathlib
import sys
import tempfile
import time

import pexpect
import pyte

COLUMNS, LINES = 96, 30
FONT, ADVANCE, LEADING = 14, 8.4, 18
COLOURS = {
    "default": "#d0d7de", "red": "#ff7b72", "green": "#7ee787", "brown": "#e3b341", "yellow": "#e3b341",
    "blue": "#79c0ff", "magenta": "#d2a8ff", "cyan": "#76e3ea", "white": "#f0f6fc", "black": "#484f58",
}
# What the terminal must show, what is typed then, and for how many seconds the picture stays there.
SCENE = [
    ("Begin?", "yes\r", 4.0),
    ("to apply what cannot be undone", "scale-connector\r", 4.0),
    ("Apply", "y\r", 3.0),
    ("Apply", "a\r", 3.0),
    ("Apply", "a\r", 2.0),
    ("done in|recovered", "", 6.0),
]


def main(program):
    here = pathlib.Path(__file__).resolve().parents[2]
    command = ["run", "runbooks/connector-exhaustion.toml", "--sim", "--speed", "300"]
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    with tempfile.TemporaryDirectory() as state:
        environment = dict(os.environ, XDG_STATE_HOME=state, TERM="xterm-256color", USER="jo", COLORTERM="")
        environment.pop("NO_COLOR", None)
        child = pexpect.spawn(
            str(pathlib.Path(program).resolve()), command, cwd=here, env=environment, dimensions=(LINES, COLUMNS)
        )
        frames = [(prompt("rectify " + " ".join(command)), 2.0)]
        for wanted, typed, seconds in SCENE:
            frames += watch(child, stream, screen, wanted.split("|"))
            frames.append((picture(screen), seconds))
            if typed:
                time.sleep(0.5)
                child.send(typed)
        frames += watch(child, stream, screen, [])
        frames.append((picture(screen), 6.0))
    (here / "docs/pictures/terminal.svg").write_text(svg(frames))


def watch(child, stream, screen, wanted):
    """Reads until one of the texts is on the screen, or the program has ended; gives a frame for each second that showed something new."""
    frames, last, deadline = [], time.monotonic(), time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            stream.feed(child.read_nonblocking(65536, timeout=0.3))
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            return frames
        shown = "\n".join(screen.display)
        if any(text in shown.splitlines()[screen.cursor.y] or text in shown for text in wanted) and not child_is_busy(child):
            return frames
        if time.monotonic() - last > 0.8:
            frames.append((picture(screen), 0.8))
            last = time.monotonic()
    raise SystemExit(f"never shown: {wanted}\n" + "\n".join(screen.display))


def child_is_busy(child):
    """Whether more is written right now: a question is the last thing that is."""
    try:
        chunk = child.read_nonblocking(1, timeout=0.4)
    except (pexpect.TIMEOUT, pexpect.EOF):
        return False
    child.buffer = chunk + child.buffer
    return True


def prompt(command):
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.ByteStream(screen).feed(f"$ {command}".encode())
    return picture(screen)


def picture(screen):
    """The screen as runs of text of one colour: (line, column, text, colour, bold)."""
    runs = []
    for number in range(LINES):
        line, column = screen.buffer[number], 0
        while column < COLUMNS:
            cell, start, text = line[column], column, ""
            style = (cell.fg, cell.bold, cell.reverse)
            while column < COLUMNS and (line[column].fg, line[column].bold, line[column].reverse) == style:
                text += line[column].data
                column += 1
            if text.strip():
                colour = COLOURS.get(cell.fg, "#" + cell.fg if len(cell.fg) == 6 else COLOURS["default"])
                runs.append((number, start, text.rstrip(), colour, cell.bold))
    return tuple(runs)


def svg(frames):
    merged = []
    for shown, seconds in frames:
        if merged and merged[-1][0] == shown:
            merged[-1] = (shown, max(merged[-1][1], seconds))
        else:
            merged.append((shown, seconds))
    whole = sum(seconds for _, seconds in merged)
    width, height = COLUMNS * ADVANCE + 32, LINES * LEADING + 52
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        'aria-label="A rehearsal of the flagship runbook in a terminal: the plan, the questions, the gates, and the end.">',
        f'<style>text{{font:{FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre}}.b{{font-weight:700}}'
        f'g.f{{visibility:hidden;animation:{whole:.1f}s step-end infinite}}'
        '@media (prefers-reduced-motion:reduce){g.f{animation:none}g.last{visibility:visible}}',
    ]
    at = 0.0
    for number, (_, seconds) in enumerate(merged):
        begin, end = 100 * at / whole, 100 * (at + seconds) / whole
        at += seconds
        hidden = "" if number == 0 else "0%{visibility:hidden}"
        out.append(f"#f{number}{{animation-name:k{number}}}@keyframes k{number}{{{hidden}{begin:.3f}%{{visibility:visible}}{end:.3f}%{{visibility:hidden}}}}")
    out.append(f'</style><rect width="100%" height="100%" rx="10" fill="#0d1117"/>')
    for index, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f")):
        out.append(f'<circle cx="{22 + 20 * index}" cy="20" r="6" fill="{colour}"/>')
    for number, (shown, _) in enumerate(merged):
        last = " last" if number == len(merged) - 1 else ""
        out.append(f'<g class="f{last}" id="f{number}">')
        for line, column, text, colour, bold in shown:
            weight = ' class="b"' if bold else ""
            out.append(
                f'<text x="{16 + column * ADVANCE:.1f}" y="{52 + line * LEADING}" fill="{colour}"{weight} textLength="{len(text) * ADVANCE:.1f}">{html.escape(text, quote=False)}</text>'
            )
        out.append("</g>")
    out.append("</svg>\n")
    return "\n".join(out)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "target/release/rectify")
