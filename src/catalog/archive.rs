//! The file that the catalog is embedded as: an index, a dictionary, and one stream an API, each readable alone.
//!
//! `catalog/generate.py` writes it and describes it. Nothing is inflated before somebody asks, and of the APIs only those that
//! are asked for.

use std::sync::OnceLock;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// The format that this program reads; the generator writes the same number.
const FORMAT: &str = "1";

/// The embedded catalog is not what the generator writes. It is part of the program, so nothing but a new build helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the embedded catalog of Google Cloud is damaged: {0}; this build of rectify cannot use it, install it again")]
pub struct Damaged(pub(super) &'static str);

/// An API's place in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// The first label of the API's host, such as `redis`.
    pub(super) service: &'static str,
    /// Such as `v1`.
    pub(super) version: &'static str,
    /// Bytes of text.
    plain: usize,
    packed: &'static [u8],
}

/// What the index says of a service, beyond which versions of it there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServiceNote {
    pub(super) service: &'static str,
    /// Another name of its host.
    pub(super) also: Option<&'static str>,
    /// The version that a name without one means.
    pub(super) version: Option<&'static str>,
}

/// The file, of which only the index has been read.
pub(super) struct Archive {
    /// The package that the documents are from, with its version.
    pub(super) source: &'static str,
    pub(super) streams: Vec<Stream>,
    pub(super) notes: Vec<ServiceNote>,
    packed_dictionary: &'static [u8],
    dictionary_length: usize,
    dictionary: OnceLock<Result<&'static str, Damaged>>,
}

impl Archive {
    /// Reads the head and the index.
    pub(super) fn read(file: &'static [u8]) -> Result<Archive, Damaged> {
        let end = file.iter().position(|byte| *byte == b'\n').ok_or(Damaged("it has no head"))?;
        let (head, rest) = file.split_at(end);
        let head = str::from_utf8(head).map_err(|_| Damaged("its head is not text"))?;
        let words: Vec<&'static str> = head.split(' ').collect();
        let ["rectify-catalog", FORMAT, source, lengths @ ..] = words.as_slice() else {
            return Err(Damaged("its head is of another format"));
        };
        let lengths: Vec<usize> = lengths.iter().filter_map(|word| word.parse().ok()).collect();
        let [packed_index, index, packed_dictionary, dictionary] = lengths[..] else {
            return Err(Damaged("its head has no lengths"));
        };
        let mut rest = &rest[1..];
        let index = inflate(take(&mut rest, packed_index)?, index, &[])?;
        let packed_dictionary = take(&mut rest, packed_dictionary)?;
        let mut archive = Archive {
            source,
            streams: Vec::new(),
            notes: Vec::new(),
            packed_dictionary,
            dictionary_length: dictionary,
            dictionary: OnceLock::new(),
        };
        for line in index.lines() {
            let words: Vec<&'static str> = line.split(' ').collect();
            if let ["N", service, also, version] = words[..] {
                let given = |word: &'static str| (word != "-").then_some(word);
                archive.notes.push(ServiceNote { service, also: given(also), version: given(version) });
                continue;
            }
            let [service, version, plain, packed] = words[..] else {
                return Err(Damaged("a line of its index has other columns"));
            };
            let (Ok(plain), Ok(packed)) = (plain.parse(), packed.parse()) else {
                return Err(Damaged("a length in its index is no number"));
            };
            let packed = take(&mut rest, packed)?;
            archive.streams.push(Stream { service, version, plain, packed });
        }
        Ok(archive)
    }

    /// The dictionary that all streams are compressed with.
    pub(super) fn dictionary(&self) -> Result<&'static str, Damaged> {
        *self.dictionary.get_or_init(|| inflate(self.packed_dictionary, self.dictionary_length, &[]))
    }
}

impl Stream {
    /// The API's text. It is kept for as long as the program runs, as everything that is read of the catalog is.
    pub(super) fn text(&self, dictionary: &str) -> Result<&'static str, Damaged> {
        inflate(self.packed, self.plain, dictionary.as_bytes())
    }
}

fn take(rest: &mut &'static [u8], length: usize) -> Result<&'static [u8], Damaged> {
    let (taken, after) = rest.split_at_checked(length).ok_or(Damaged("it ends early"))?;
    *rest = after;
    Ok(taken)
}

fn inflate(packed: &[u8], length: usize, dictionary: &[u8]) -> Result<&'static str, Damaged> {
    // What is inflated may copy from the dictionary because the dictionary stands before it.
    let mut output = Vec::with_capacity(dictionary.len() + length);
    output.extend_from_slice(dictionary);
    output.resize(dictionary.len() + length, 0);
    let mut machine = DecompressorOxide::new();
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, _, written) = decompress(&mut machine, packed, &mut output, dictionary.len(), flags);
    if status != TINFLStatus::Done || written != length {
        return Err(Damaged("a stream does not inflate"));
    }
    let text = String::from_utf8(output.split_off(dictionary.len()));
    Ok(text.map_err(|_| Damaged("a stream is not text"))?.leak())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_an_error_and_never_a_panic() {
        let whole: &'static [u8] = super::super::FILE;
        for end in (0..whole.len()).step_by(1009).chain(0..200) {
            let cut = &whole[..end.min(whole.len())];
            assert!(Archive::read(cut).is_err() || end >= whole.len(), "cut at {end}");
        }
        for place in (0..20_000).step_by(97) {
            let mut bent = whole.to_vec();
            bent[place] ^= 0x55;
            // It may still be read, with other contents; it must not panic.
            if let Ok(archive) = Archive::read(bent.leak()) {
                let dictionary = archive.dictionary().unwrap_or_default();
                let _ = archive.streams.first().map(|stream| stream.text(dictionary));
            }
        }
    }
}
