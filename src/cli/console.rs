//! The only door to stdout and stderr: width, colour, and no secrets. What is asked is in [`prompt`](super::prompt).

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use console::Term;

use super::exit::CliError;
use crate::inert;
use crate::redact::{self, Lines};
use crate::report::{Live, Look, Plain, Quiet, Reporter, Sheet};

/// What this terminal, pipe or log can show.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the terminal")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Console {
    /// Whether a person can be asked: both ends are a terminal.
    pub(super) interactive: bool,
    /// Whether colours are shown.
    pub(super) colour: bool,
    /// Whether stdout is a terminal that can redraw a line.
    live: bool,
    /// Columns.
    pub(super) width: usize,
    /// Whether stdout belongs to a program that reads events, so that people are told on stderr.
    aside: bool,
    /// Whether only what cannot wait is told.
    pub(super) quiet: bool,
    /// Whether it is written for screen readers: in words, and no line broken.
    plain: bool,
}

impl Console {
    /// Looks at what stdin and stdout are. `NO_COLOR` and `CLICOLOR` are honoured.
    pub(super) fn detect() -> Console {
        let (from, to) = (io::stdin().is_terminal(), io::stdout().is_terminal());
        let width = Term::stdout().size_checked().map_or(100, |(_, columns)| usize::from(columns));
        let capable = Term::stdout().features().is_attended() && Term::stdout().features().colors_supported();
        Console {
            interactive: from && to,
            colour: console::colors_enabled() && capable,
            live: to && capable,
            width,
            aside: false,
            quiet: false,
            plain: false,
        }
    }

    /// Whether what is written to stdout is looked at on a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.live
    }

    /// The same console, of which stdout is left to a program.
    pub(super) fn beside_events(self) -> Console {
        let interactive = self.interactive && io::stderr().is_terminal();
        Console { aside: true, live: false, interactive, ..self }
    }

    /// The same console, on which only what cannot wait is told, if that is wanted.
    pub(super) fn quietly(self, quiet: bool) -> Console {
        Console { quiet, ..self }
    }

    /// The same console, written for screen readers and logs, if that is wanted.
    pub(super) fn plainly(self, plain: bool) -> Console {
        let (live, colour) = (self.live && !plain, self.colour && !plain);
        Console { colour, live, plain, ..self }
    }

    /// How lines for people look on stdout.
    pub(super) fn look(&self) -> Look {
        if self.plain { Look::Words } else { Look::Drawn { colour: self.colour, width: self.edge() } }
    }

    /// How wide lines may be now; what is no terminal keeps a line a line.
    pub(super) fn edge(&self) -> Option<usize> {
        (io::stdout().is_terminal() && !self.plain).then(|| self.columns())
    }

    /// The same console, on which somebody else writes too: no line is drawn again.
    pub(super) fn beside_a_log(self) -> Console {
        Console { live: false, ..self }
    }

    /// Writes text to stdout. A reader that went away is not an error.
    pub(super) fn out(&self, text: &str) {
        if self.aside {
            return self.err(text);
        }
        Console::out_bytes(redact::document(text).as_bytes());
    }

    /// Writes what is for a program to stdout, whatever bytes it is.
    pub(super) fn out_bytes(bytes: &[u8]) {
        let _ = io::stdout().write_all(bytes).and_then(|()| io::stdout().flush());
    }

    /// Writes a document to the file that was asked for and says so, or to stdout if none was.
    pub(super) fn deliver(&self, text: &str, out: Option<&Path>, what: &str) -> Result<(), CliError> {
        let Some(path) = out else {
            self.out(text);
            return Ok(());
        };
        super::output_file::write(path, redact::document(text).as_bytes())?;
        self.out(&format!("{what} is in {}\n", path.display()));
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "who has no console writes nothing")]
    /// Writes text to stderr.
    pub(super) fn err(&self, text: &str) {
        let _ = io::stderr().write_all(redact::document(text).as_bytes());
    }

    /// Tells why a command could not do its work.
    pub(super) fn trouble(&self, trouble: &CliError) {
        let colour = self.colour && io::stderr().is_terminal();
        let style = |text: &str, style: console::Style| style.force_styling(colour).apply_to(text).to_string();
        let mark = if self.plain { "error:".to_owned() } else { style("×", console::Style::new().red()) };
        self.err(&format!("{mark} {}\n", inert::block(&trouble.message)));
        if let Some(help) = &trouble.help {
            self.err(&format!("  {} {}\n", style("help:", console::Style::new().cyan()), inert::block(help)));
        }
    }

    /// A reporter that suits this console.
    pub(super) fn reporter(&self) -> Box<dyn Reporter> {
        let beside = if self.plain { Look::Words } else { Look::Drawn { colour: self.colour, width: None } };
        match self {
            Console { quiet: true, aside: true, .. } => {
                Box::new(Quiet::new(Sheet::new(Lines::new(io::stderr()), beside)))
            }
            Console { quiet: true, .. } => Box::new(Quiet::new(self.sheet())),
            Console { live: true, .. } => Box::new(Live::new(Term::stdout(), self.colour)),
            Console { aside: true, .. } => Box::new(Plain::new(Sheet::new(Lines::new(io::stderr()), beside))),
            Console { .. } => Box::new(Plain::new(self.sheet())),
        }
    }

    /// Where lines for people are written: on stdout, without secrets.
    pub(super) fn sheet(&self) -> Sheet<Lines<io::Stdout>> {
        Sheet::new(Lines::new(io::stdout()), self.look())
    }

    /// How wide the terminal is now; it may have been resized.
    pub(super) fn columns(&self) -> usize {
        Term::stdout().size_checked().map_or(self.width, |(_, columns)| usize::from(columns))
    }
}
