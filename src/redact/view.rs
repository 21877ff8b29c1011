//! A text as somebody would read it who undoes an escaping: percent signs, backslashes, quotation marks, entities, line
//! breaks.
//!
//! Secrets are looked for in every view, so that it does not matter which characters an encoder chose to escape, nor
//! whether its hexadecimal digits are capital letters. Each byte of a view knows where in the text it stands.

use std::ops::Range;

/// Whether more of the text may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It may: an escape that is cut at the end is not judged yet.
    Open,
    /// It may not.
    Closed,
}

/// One reading of a text.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    /// Where each of them stands in the text.
    spans: Vec<Range<usize>>,
    /// Where an escape begins that the end of the text cuts.
    pub(super) cut: Option<usize>,
}

/// What stands at the beginning of a rest.
enum Step {
    /// A byte that means itself.
    Plain,
    /// So many bytes that mean these; none for a line break that is passed over.
    Escape { length: usize, means: Utf8 },
    /// The beginning of an escape, whose rest may come.
    Cut,
}

/// Up to four bytes.
struct Utf8 {
    bytes: [u8; 4],
    size: usize,
}

type Decoder = fn(&[u8]) -> Step;

impl Utf8 {
    const NONE: Utf8 = Utf8 { bytes: [0; 4], size: 0 };

    fn byte(byte: u8) -> Utf8 {
        Utf8 { bytes: [byte, 0, 0, 0], size: 1 }
    }

    fn letter(letter: char) -> Utf8 {
        let mut bytes = [0; 4];
        let size = letter.encode_utf8(&mut bytes).len();
        Utf8 { bytes, size }
    }
}

/// Every reading of a text in which its secrets are looked for. Two escapings one after the other are undone where that
/// is usual: JSON in JSON, a URL in JSON, JSON in a URL, JSON in a page.
pub(super) fn views(text: &[u8], end: End) -> Vec<View> {
    /// The decoders of a reading, and the bytes without which each changes nothing.
    const CHAINS: &[&[(Decoder, &[u8])]] = &[
        &[(line_break, b"\r\n")],
        &[(percent, b"%")],
        &[(form, b"+")],
        &[(backslash, b"\\")],
        &[(quote, b"'")],
        &[(entity, b"&")],
        &[(backslash, b"\\"), (backslash, b"\\")],
        &[(backslash, b"\\"), (line_break, b"\r\n")],
        &[(backslash, b"\\"), (percent, b"%")],
        &[(backslash, b"\\"), (quote, b"'")],
        &[(backslash, b"\\"), (entity, b"&")],
        &[(percent, b"%"), (percent, b"%")],
        &[(percent, b"%"), (backslash, b"\\")],
        &[(entity, b"&"), (backslash, b"\\")],
    ];
    let plain = View::plain(text);
    let mut all = Vec::new();
    for chain in CHAINS {
        let mut view: Option<View> = None;
        for (decode, marks) in *chain {
            let of = view.as_ref().unwrap_or(&plain);
            if !of.bytes.iter().any(|byte| marks.contains(byte)) {
                // A shorter chain reads it the same way.
                view = None;
                break;
            }
            view = Some(of.through(*decode, end));
        }
        all.extend(view);
    }
    all.push(plain);
    all
}

impl View {
    fn plain(text: &[u8]) -> View {
        View { bytes: text.to_vec(), spans: (0..text.len()).map(|at| at..at + 1).collect(), cut: None }
    }

    fn through(&self, decode: Decoder, end: End) -> View {
        let (mut bytes, mut spans) = (Vec::with_capacity(self.bytes.len()), Vec::with_capacity(self.bytes.len()));
        let (mut at, mut cut) = (0, self.cut);
        while let (Some(rest @ [first, ..]), Some(here)) = (self.bytes.get(at..), self.spans.get(at)) {
            match decode(rest) {
                Step::Cut if end == End::Open => {
                    cut = Some(here.start);
                    break;
                }
                Step::Plain | Step::Cut => {
                    bytes.push(*first);
                    spans.push(here.clone());
                    at += 1;
                }
                Step::Escape { length, means } => {
                    let until = self.spans.get(at + length - 1).map_or(here.end, |last| last.end);
                    for byte in means.bytes.iter().take(means.size) {
                        bytes.push(*byte);
                        spans.push(here.start..until);
                    }
                    at += length;
                }
            }
        }
        View { bytes, spans, cut }
    }

    /// Where a part of the view stands in the text.
    pub(super) fn place(&self, part: &Range<usize>) -> Option<Range<usize>> {
        let (first, last) = (self.spans.get(part.start)?, self.spans.get(part.end.checked_sub(1)?)?);
        Some(first.start..last.end)
    }

    /// The nearest place in the text, not behind this one, that is not inside of an escape.
    pub(super) fn boundary(&self, at: usize) -> usize {
        let behind = self.spans.partition_point(|span| span.start < at);
        let before = behind.checked_sub(1).and_then(|last| self.spans.get(last));
        before.filter(|span| span.end > at).map_or(at, |span| span.start)
    }
}

/// A line break with the indentation behind it: a long text that was broken into lines is one text.
fn line_break(rest: &[u8]) -> Step {
    if !matches!(rest.first(), Some(b'\n' | b'\r')) {
        return Step::Plain;
    }
    let length = rest.iter().take_while(|byte| b"\r\n\t ".contains(byte)).count();
    Step::Escape { length, means: Utf8::NONE }
}

/// `%2F`.
fn percent(rest: &[u8]) -> Step {
    match rest {
        [b'%', high, low, ..] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => Step::Escape { length: 3, means: Utf8::byte(high << 4 | low) },
            _ => Step::Plain,
        },
        [b'%'] => Step::Cut,
        [b'%', high] if hex(*high).is_some() => Step::Cut,
        _ => Step::Plain,
    }
}

/// The same where a plus sign is a space.
fn form(rest: &[u8]) -> Step {
    match rest {
        [b'+', ..] => Step::Escape { length: 1, means: Utf8::byte(b' ') },
        _ => percent(rest),
    }
}

/// What JSON, C, Rust and shells write with a backslash.
fn backslash(rest: &[u8]) -> Step {
    let [b'\\', rest @ ..] = rest else { return Step::Plain };
    let escape = |length: usize, means: Utf8| Step::Escape { length: length + 1, means };
    match rest {
        [] | [b'x' | b'0'..=b'3'] | [b'0'..=b'3', b'0'..=b'7'] => Step::Cut,
        [b'u', b'{', digits @ ..] => match number(digits, 16, 6, b'}') {
            Number::Is(value, length) => char::from_u32(value)
                .map_or_else(|| escape(1, Utf8::byte(b'u')), |letter| escape(length + 2, Utf8::letter(letter))),
            Number::Cut => Step::Cut,
            Number::None => escape(1, Utf8::byte(b'u')),
        },
        [b'u', digits @ ..] => utf16(digits).unwrap_or_else(|| escape(1, Utf8::byte(b'u'))),
        [b'x', high, low, ..] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => escape(3, Utf8::byte(high << 4 | low)),
            _ => escape(1, Utf8::byte(b'x')),
        },
        [b'x', high] if hex(*high).is_some() => Step::Cut,
        [b'0'..=b'3', second @ b'0'..=b'7', third @ b'0'..=b'7', ..] => {
            let first = rest.first().copied().unwrap_or_default();
            escape(3, Utf8::byte((first - b'0') << 6 | (second - b'0') << 3 | (third - b'0')))
        }
        [letter, ..] => escape(
            1,
            Utf8::byte(match letter {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 8,
                b'f' => 12,
                b'e' => 27,
                other => *other,
            }),
        ),
    }
}

/// Four hexadecimal digits behind `\u`, or twice as many for a surrogate pair.
fn utf16(digits: &[u8]) -> Option<Step> {
    let unit = |digits: &[u8]| {
        let mut value = 0_u16;
        for digit in digits.get(..4)? {
            value = value << 4 | u16::from(hex(*digit)?);
        }
        Some(value)
    };
    let is_beginning = |digits: &[u8]| digits.len() < 4 && digits.iter().all(|digit| hex(*digit).is_some());
    let Some(first) = unit(digits) else { return is_beginning(digits).then_some(Step::Cut) };
    let rest = digits.get(4..).unwrap_or_default();
    if !(0xd800..0xdc00).contains(&first) {
        let letter = char::from_u32(u32::from(first))?;
        return Some(Step::Escape { length: 6, means: Utf8::letter(letter) });
    }
    match rest {
        [] | [b'\\'] => Some(Step::Cut),
        [b'\\', b'u', second @ ..] => match unit(second) {
            Some(second) => {
                let letter = char::decode_utf16([first, second]).next()?.ok()?;
                Some(Step::Escape { length: 12, means: Utf8::letter(letter) })
            }
            None => is_beginning(second).then_some(Step::Cut),
        },
        _ => None,
    }
}

/// How an apostrophe is written inside of apostrophes: by shells, by SQL.
fn quote(rest: &[u8]) -> Step {
    const SHELL: [&[u8]; 2] = [b"'\\''", b"'\"'\"'"];
    let means = || Utf8::byte(b'\'');
    if let Some(escape) = SHELL.into_iter().find(|escape| rest.starts_with(escape)) {
        return Step::Escape { length: escape.len(), means: means() };
    }
    if rest.starts_with(b"''") {
        return Step::Escape { length: 2, means: means() };
    }
    let is_cut = |escape: &&[u8]| escape.starts_with(rest) && rest.len() < escape.len();
    if !rest.is_empty() && SHELL.iter().any(is_cut) { Step::Cut } else { Step::Plain }
}

/// What a page writes with an ampersand.
fn entity(rest: &[u8]) -> Step {
    const NAMED: [(&[u8], u8); 6] =
        [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\''), (b"&nbsp;", b' ')];
    for (entity, means) in NAMED {
        if rest.starts_with(entity) {
            return Step::Escape { length: entity.len(), means: Utf8::byte(means) };
        }
    }
    let (digits, base, before) = match rest {
        [b'&', b'#', b'x' | b'X', digits @ ..] => (digits, 16, 3),
        [b'&', b'#', digits @ ..] => (digits, 10, 2),
        _ => {
            let is_cut = !rest.is_empty() && NAMED.iter().any(|(entity, _)| entity.starts_with(rest));
            return if is_cut { Step::Cut } else { Step::Plain };
        }
    };
    match number(digits, base, 7, b';') {
        Number::Is(value, length) => char::from_u32(value)
            .map_or(Step::Plain, |letter| Step::Escape { length: before + length, means: Utf8::letter(letter) }),
        Number::Cut => Step::Cut,
        Number::None => Step::Plain,
    }
}

/// A number of so many digits at most, and what must stand behind it.
enum Number {
    /// Its value, and how many bytes it takes with what stands behind it.
    Is(u32, usize),
    Cut,
    None,
}

fn number(digits: &[u8], base: u32, most: usize, behind: u8) -> Number {
    let mut value = 0_u32;
    for (count, digit) in digits.iter().enumerate().take(most + 1) {
        if *digit == behind && count > 0 {
            return Number::Is(value, count + 1);
        }
        match char::from(*digit).to_digit(base) {
            Some(digit) if count < most => value = value.saturating_mul(base).saturating_add(digit),
            _ => return Number::None,
        }
    }
    Number::Cut
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, decode: Decoder) -> String {
        String::from_utf8(View::plain(text.as_bytes()).through(decode, End::Closed).bytes).unwrap()
    }

    #[test]
    fn escapes_are_undone_and_what_is_none_stays() {
        for (decode, text, means) in [
            (percent as Decoder, "a%2Fb%2fc%zz%2", "a/b/c%zz%2"),
            (form, "a+b%20c", "a b c"),
            (backslash, r#"\"\\\/\n\u00e9\ud83d\ude00\x41\u{7f}\101\q\"#, "\"\\/\né😀A\u{7f}Aq\\"),
            (quote, r#"it'\''s it'"'"'s it''s'"#, "it's it's it's'"),
            (entity, "&amp;&lt;&#39;&#x27;&#xE9; &x; &", "&<''é &x; &"),
            (line_break, "abc\n  def\r\nghi", "abcdefghi"),
        ] {
            assert_eq!(read(text, decode), means, "{text}");
        }
    }

    #[test]
    fn an_escape_that_is_cut_waits_for_its_end() {
        for (decode, text) in [
            (percent as Decoder, "ab%2"),
            (backslash, "ab\\"),
            (backslash, r"ab\u00"),
            (backslash, r"ab\ud83d\ude"),
            (backslash, r"ab\u{1"),
            (quote, "ab'\\"),
            (entity, "ab&#3"),
            (entity, "ab&am"),
        ] {
            let view = View::plain(text.as_bytes()).through(decode, End::Open);
            assert_eq!((view.bytes.as_slice(), view.cut), (b"ab".as_slice(), Some(2)), "{text}");
        }
    }

    #[test]
    fn a_part_knows_its_place() {
        let view = View::plain(b"x%41%42y").through(percent, End::Closed);
        assert_eq!((view.bytes.as_slice(), view.place(&(1..3))), (b"xABy".as_slice(), Some(1..7)));
        assert_eq!((view.boundary(3), view.boundary(4), view.boundary(8)), (1, 4, 8));
    }
}
