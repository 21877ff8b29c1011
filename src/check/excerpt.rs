//! The lines of a file that a diagnostic points at, cut to the width of the screen.
//!
//! A line that is too long is shown around what is meant in it, with `…` where something is left out. Lines and columns keep their
//! numbers of the file. miette draws what this gives it: whole lines, each at its number.

use std::collections::BTreeMap;
use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::diagnostic::{boundary, line_and_column, line_start};

/// What miette writes before a line, besides its number: ` 12 │ `.
const GUTTER: usize = 4;

/// What miette writes between a line and the words beside a place: `╰── words`.
const CONNECTION: usize = 4;

/// The least that is left of a line, however narrow the screen is.
const NARROWEST: usize = 16;

/// What stands in the place of what is left out.
const LEFT_OUT: char = '…';

/// A place to point at, and how wide the words beside it are.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Bytes of the text.
    pub at: Range<usize>,
    /// Columns.
    pub words: usize,
}

/// The lines that are pointed at.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: String,
    /// The lines one below the other, each with its newline.
    text: String,
    /// Of each line in `text`: where it begins there, its number in the file, and the column of its first place; both from zero.
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    start: usize,
    number: usize,
    column: usize,
}

impl Excerpt {
    /// The lines of `text` at these marks, and where the marks are in them. No mark goes beyond its line.
    pub(super) fn of(name: String, text: &str, marks: &[Mark], width: usize) -> (Excerpt, Vec<Range<usize>>) {
        let mut by_line: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, mark) in marks.iter().enumerate() {
            by_line.entry(line_start(text, mark.at.start)).or_default().push(index);
        }
        let number = |start: usize| line_and_column(text, start).0;
        let digits = by_line.keys().map(|start| number(*start).to_string().len()).max().unwrap_or_default();
        let columns = width.saturating_sub(GUTTER + digits).max(NARROWEST);
        let mut excerpt = Excerpt { name, text: String::new(), lines: Vec::new() };
        let mut places = vec![0..0; marks.len()];
        for (start, of_line) in by_line {
            let line = text[start..].split('\n').next().unwrap_or_default();
            let mut within: Vec<Mark> = Vec::new();
            for mark in of_line.iter().filter_map(|index| marks.get(*index)) {
                let at = mark.at.start - start..(mark.at.end - start).min(line.len());
                within.push(Mark { at, words: mark.words });
            }
            let (shown, at) = cut(line, &within, columns);
            let begins = excerpt.text.len();
            for (index, at) in of_line.iter().zip(at) {
                if let Some(place) = places.get_mut(*index) {
                    *place = begins + at.start..begins + at.end;
                }
            }
            let first = within.iter().map(|mark| mark.at.start).min().unwrap_or_default();
            let column = line_and_column(text, start + first).1 - 1;
            excerpt.lines.push(Line { start: begins, number: number(start) - 1, column });
            excerpt.text.push_str(&shown);
            excerpt.text.push('\n');
        }
        (excerpt, places)
    }
}

impl SourceCode for Excerpt {
    /// Whole lines. Of its own accord miette shows either only the place or its neighbours as well, and everything between two places.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = boundary(&self.text, span.offset() + span.len());
        let first = self.lines.partition_point(|line| line.start <= span.offset()).saturating_sub(1);
        let Some(Line { start, number, column }) = self.lines.get(first) else { return Err(MietteError::OutOfBounds) };
        let end = self.text[end..].find('\n').map_or(self.text.len(), |length| end + length + 1);
        let data = &self.text[*start..end];
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            data.as_bytes(),
            (*start, data.len()).into(),
            *number,
            *column,
            data.lines().count(),
        )))
    }
}

/// How many columns a letter takes at most. From where Unicode's wide letters begin, all are taken for wide ones.
fn columns_of(letter: char) -> usize {
    match letter {
        '\t' => 4,
        LEFT_OUT | '\0'..'\u{1100}' => 1,
        '\u{1100}'.. => 2,
    }
}

fn width_of(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// A line cut to so many columns around the marks, and where they are in it then. All marks have the same share of the columns.
fn cut(line: &str, marks: &[Mark], columns: usize) -> (String, Vec<Range<usize>>) {
    if width_of(line) <= columns {
        return (line.to_owned(), marks.iter().map(|mark| mark.at.clone()).collect());
    }
    let share = columns / marks.len().max(1);
    let mut pieces: Vec<Range<usize>> = marks.iter().map(|mark| piece(line, mark, share)).collect();
    pieces.sort_by_key(|piece| piece.start);
    pieces.dedup_by(|next, one| {
        let is_near = next.start <= one.end + 1;
        if is_near {
            one.end = one.end.max(next.end);
        }
        is_near
    });
    let mut shown = String::new();
    let mut moved: Vec<(Range<usize>, usize)> = Vec::new();
    let mut shown_to = 0;
    for piece in pieces {
        let piece = boundary(line, piece.start)..boundary(line, piece.end);
        if piece.start > shown_to {
            shown.push(LEFT_OUT);
        }
        moved.push((piece.clone(), shown.len()));
        shown.push_str(&line[piece.clone()]);
        shown_to = piece.end;
    }
    if shown_to < line.len() {
        shown.push(LEFT_OUT);
    }
    let place = |mark: &Mark| {
        let home = moved.iter().find(|(piece, _)| piece.contains(&mark.at.start) || piece.end == mark.at.start);
        home.map_or(0..0, |(piece, to)| {
            let at = |byte: usize| to + byte.clamp(piece.start, piece.end) - piece.start;
            at(mark.at.start)..at(mark.at.end)
        })
    };
    let places = marks.iter().map(place).collect();
    (shown, places)
}

/// The part of a line that is shown for a mark: the mark from its beginning, what stands before it as far as the words beside it
/// leave room, and what stands behind it.
fn piece(line: &str, mark: &Mark, columns: usize) -> Range<usize> {
    let columns = columns.saturating_sub(2 * columns_of(LEFT_OUT));
    let marked = width_of(&line[mark.at.clone()]).min(columns);
    let words = if mark.words == 0 { 0 } else { marked / 2 + CONNECTION + mark.words };
    let rest = columns - marked;
    let room = rest.min(columns.saturating_sub(words));
    let behind = width_of(&line[mark.at.end..]);
    let before = room.min((rest / 3).max(rest.saturating_sub(behind)));
    let mut used = 0;
    let mut fits = |most: usize, letter: char| {
        used += columns_of(letter);
        used <= most
    };
    let head: usize =
        line[..mark.at.start].chars().rev().take_while(|letter| fits(before, *letter)).map(char::len_utf8).sum();
    let start = mark.at.start - head;
    let mut left = columns.saturating_sub(width_of(&line[start..mark.at.start]));
    let tail: usize = line[mark.at.start..]
        .chars()
        .take_while(|letter| {
            let fits = columns_of(*letter) <= left;
            left = left.saturating_sub(columns_of(*letter));
            fits
        })
        .map(char::len_utf8)
        .sum();
    start..mark.at.start + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(line: &str, marked: &str, words: usize) -> Mark {
        let start = line.find(marked).unwrap();
        Mark { at: start..start + marked.len(), words }
    }

    fn shown(line: &str, marks: &[Mark], columns: usize) -> (String, Vec<String>) {
        let (text, places) = cut(line, marks, columns);
        let marked = places.iter().map(|at| text[at.clone()].to_owned()).collect();
        (text, marked)
    }

    #[test]
    fn a_line_that_fits_is_shown_whole() {
        let line = "a = 1";
        assert_eq!(shown(line, &[mark(line, "1", 0)], 5), (line.to_owned(), vec!["1".to_owned()]));
    }

    #[test]
    fn a_long_line_is_shown_around_what_is_meant() {
        let line = format!("{} here {}", "before ".repeat(20), "after ".repeat(20));
        let (text, marked) = shown(&line, &[mark(&line, "here", 0)], 40);
        assert!(text.starts_with('…') && text.ends_with('…') && text.contains(" here after"), "{text}");
        assert!(width_of(&text) <= 40 && width_of(&text) > 32, "{text}");
        assert_eq!(marked, ["here"]);
    }

    #[test]
    fn the_beginning_and_the_end_have_no_mark_of_something_left_out() {
        let line = format!("here {}", "after ".repeat(20));
        assert!(shown(&line, &[mark(&line, "here", 0)], 40).0.starts_with("here after"));
        let line = format!("{} here", "before ".repeat(20));
        let (text, _) = shown(&line, &[mark(&line, "here", 0)], 40);
        assert!(text.ends_with("before  here") && width_of(&text) > 32, "{text}");
    }

    #[test]
    fn what_is_longer_than_the_screen_is_shown_from_its_beginning() {
        let line = format!("x = \"{}\"", "long ".repeat(20));
        let (text, marked) = shown(&line, &[mark(&line, &line[4..], 0)], 40);
        assert!(text.ends_with('…') && marked[0].starts_with("\"long long") && width_of(&text) <= 40, "{text}");
    }

    #[test]
    fn two_places_of_a_line_are_both_shown() {
        let line = format!("first {} second {}", "between ".repeat(20), "behind ".repeat(9));
        let (text, marked) = shown(&line, &[mark(&line, "second", 0), mark(&line, "first", 0)], 60);
        assert_eq!(marked, ["second", "first"]);
        assert!(text.matches('…').count() == 2 && width_of(&text) <= 60, "{text}");
    }

    #[test]
    fn words_beside_a_place_leave_room_for_themselves() {
        let line = format!("{} here {}", "before ".repeat(20), "after ".repeat(20));
        let (text, _) = shown(&line, &[mark(&line, "here", 30)], 40);
        let before = width_of(text.split("here").next().unwrap());
        assert!(before + 2 + CONNECTION + 30 <= 40, "{text}");
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_cut_to_any_width(line in "[a-zé漢\t ]{0,90}", at in 0..90_usize, length in 0..90_usize, columns in 16..90_usize) {
            let start = boundary(&line, at);
            let end = boundary(&line, (start + length).max(start));
            let marks = [Mark { at: start..end, words: 0 }];
            let (text, places) = cut(&line, &marks, columns);
            assert!(width_of(&text) <= columns || text == line && width_of(&line) <= columns, "{text}");
            assert!(line[start..end].starts_with(&text[places[0].clone()]));
            assert_eq!(text[places[0].clone()].is_empty(), start == end);
        }
    }
}
