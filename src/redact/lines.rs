//! A writer whose lines are redacted: for terminals, files and logs.

use std::io::{self, Write};

use super::redactor;

/// Passes lines on to another writer, without secrets. What is no whole line waits for its end, or for `flush`.
#[derive(Debug)]
pub struct Lines<W> {
    to: W,
    waiting: Vec<u8>,
}

impl<W: Write> Lines<W> {
    /// One that writes there.
    pub fn new(to: W) -> Lines<W> {
        Lines { to, waiting: Vec::new() }
    }

    fn pass(&mut self, count: usize) -> io::Result<()> {
        let line: Vec<u8> = self.waiting.drain(..count).collect();
        let text = String::from_utf8_lossy(&line);
        self.to.write_all(redactor().document(&text).as_bytes())
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if let Some(last) = self.waiting.iter().rposition(|byte| *byte == b'\n') {
            self.pass(last + 1)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass(self.waiting.len())?;
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::secret;

    #[test]
    fn a_secret_that_is_written_in_pieces_is_not_passed_on() {
        secret("inputs.pieces", "written-in-pieces".to_owned()).unwrap();
        let mut to = Vec::new();
        let mut lines = Lines::new(&mut to);
        for piece in ["it is writ", "ten-in-", "pieces\nand", " more"] {
            lines.write_all(piece.as_bytes()).unwrap();
        }
        lines.flush().unwrap();
        assert_eq!(String::from_utf8(to).unwrap(), "it is ${inputs.pieces}\nand more");
    }
}
