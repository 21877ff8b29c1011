//! Reading a scenario piece by piece, so that every mistake in it is told at once.
//!
//! Each table is read on its own, and what is wrong with one says nothing about its neighbour; of one table, every key that is
//! wrong is told. The pieces are put together ([`super::world`]) also if some are missing: [`DeclaredNames`] knows the tables that
//! could not be read, so that a name that leads to one of them is not told as well.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::SignedDuration;
use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// Something that is wrong, and where in the text.
pub(in crate::sim) struct Complaint {
    pub(in crate::sim) at: Range<usize>,
    pub(in crate::sim) reason: String,
}

/// A complaint in the place of a result.
pub(in crate::sim) fn complain<T>(at: Range<usize>, reason: impl Into<String>) -> Result<T, Complaint> {
    Err(Complaint { at, reason: reason.into() })
}

/// The names of the tables of each family, whether they could be read or not.
#[derive(Default)]
pub(in crate::sim) struct DeclaredNames(BTreeMap<&'static str, BTreeSet<String>>);

impl DeclaredNames {
    /// Whether there is a table `[family.name]`.
    pub(in crate::sim) fn has(&self, family: &str, name: &str) -> bool {
        self.0.get(family).is_some_and(|names| names.contains(name))
    }

    /// Whether there is a table of this name, of whatever family.
    pub(super) fn has_any(&self, name: &str) -> bool {
        self.0.values().any(|names| names.contains(name))
    }
}

/// All that is wrong.
#[derive(Default)]
pub(in crate::sim) struct Complaints(Vec<Complaint>);

impl Complaints {
    /// One more.
    pub(in crate::sim) fn add(&mut self, at: Range<usize>, reason: impl Into<String>) {
        self.0.push(Complaint { at, reason: reason.into() });
    }

    /// The entries of a list, after a complaint of each that there is something wrong with.
    pub(in crate::sim) fn sound<T>(
        &mut self,
        found: Vec<Spanned<T>>,
        why: impl Fn(&T) -> Option<&'static str>,
    ) -> Vec<T> {
        for one in &found {
            if let Some(reason) = why(one.as_ref()) {
                self.add(one.span(), reason);
            }
        }
        found.into_iter().map(Spanned::into_inner).collect()
    }

    /// A table that may be missing, after a complaint if there is something wrong with it.
    pub(in crate::sim) fn sensible<T: Default>(
        &mut self,
        found: Option<Spanned<T>>,
        why: fn(&T) -> Option<&'static str>,
    ) -> T {
        self.sound(found.into_iter().collect(), why).pop().unwrap_or_default()
    }

    /// Takes the complaint out of a result, and goes on.
    pub(in crate::sim) fn keep<T>(&mut self, result: Result<T, Complaint>) -> Option<T> {
        result.map_err(|complaint| self.0.push(complaint)).ok()
    }

    /// Ends the reading: nothing may be wrong.
    pub(super) fn settled(self) -> Result<(), Vec<Complaint>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// The tables of a family, by their names, in the order of the text.
pub(in crate::sim) type Named<T> = Vec<(Spanned<String>, T)>;

/// A scenario's text, taken apart.
pub(in crate::sim) struct Reader<'t> {
    root: DeTable<'t>,
    known: BTreeSet<&'static str>,
    declared: DeclaredNames,
    complaints: Complaints,
}

impl<'t> Reader<'t> {
    /// Takes a text apart. After a syntax error nothing else is looked at: what stands behind it may not mean itself.
    pub(super) fn of(text: &'t str) -> Result<Self, Vec<Complaint>> {
        match DeTable::parse(text) {
            Ok(root) => Ok(Self {
                root: root.into_inner(),
                known: BTreeSet::new(),
                declared: DeclaredNames::default(),
                complaints: Complaints::default(),
            }),
            Err(error) => Err(vec![complaint(&error, 0..0)]),
        }
    }

    /// A table that may be missing.
    pub(in crate::sim) fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        let value = self.take(name)?;
        read(value, &mut self.complaints)
    }

    /// A table that must be there.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        if !self.root.contains_key(name) {
            self.known.insert(name);
            self.complaints.add(0..0, format!("there is no table [{name}]"));
        }
        self.optional(name)
    }

    /// The tables `[family.NAME]`.
    pub(in crate::sim) fn named<T: DeserializeOwned>(&mut self, family: &'static str) -> Named<T> {
        let Some(value) = self.take(family) else { return Vec::new() };
        let at = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.complaints.add(at, format!("{family} must be tables, each with a name: [{family}.NAME]"));
            return Vec::new();
        };
        let mut named = Vec::new();
        for (name, value) in table {
            let name = Spanned::new(name.span(), name.into_inner().into_owned());
            self.declared.0.entry(family).or_default().insert(name.as_ref().clone());
            if let Some(value) = read(value, &mut self.complaints) {
                named.push((name, value));
            }
        }
        named
    }

    /// The tables `[[name]]`.
    pub(in crate::sim) fn list<T: DeserializeOwned>(&mut self, name: &'static str) -> Vec<Spanned<T>> {
        let Some(value) = self.take(name) else { return Vec::new() };
        let at = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            self.complaints.add(at, format!("{name} must be a list of tables: [[{name}]]"));
            return Vec::new();
        };
        let mut element = |value: Spanned<DeValue<'_>>| {
            let at = value.span();
            read(value, &mut self.complaints).map(|value| Spanned::new(at, value))
        };
        array.into_iter().filter_map(&mut element).collect()
    }

    /// Ends the reading, and gives back what there is no going on without, what is wrong so far, and which tables there are. What
    /// nobody asked for is unknown.
    pub(super) fn end<T>(mut self, needed: Option<T>) -> Result<(T, Complaints, DeclaredNames), Vec<Complaint>> {
        for (name, _) in self.root {
            let known = self.known.iter().copied();
            let hint = suggestion(name.as_ref(), known).unwrap_or_default();
            self.complaints.add(name.span(), format!("unknown table `{}`{hint}", name.as_ref()));
        }
        match needed {
            Some(needed) => Ok((needed, self.complaints, self.declared)),
            None => Err(self.complaints.0),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.known.insert(name);
        self.root.remove(name)
    }
}

/// Reads one value, and complains of everything that is wrong with it where it stands.
///
/// Serde ends at the first mistake. So what it complains of is taken out of the table, and the rest is read again.
fn read<T: DeserializeOwned>(value: Spanned<DeValue<'_>>, complaints: &mut Complaints) -> Option<T> {
    let at = value.span();
    let mut value = value;
    let mut is_whole = true;
    loop {
        let error = match T::deserialize(value.clone().into_deserializer()) {
            Ok(read) => return is_whole.then_some(read),
            Err(error) => error,
        };
        let Complaint { at, reason } = complaint(&error, at.clone());
        let wrong = value.as_ref().as_table().and_then(|table| {
            let holds = |span: Range<usize>| span.start <= at.start && at.end <= span.end;
            table
                .iter()
                .find(|(key, value)| holds(key.span()) || holds(value.span()))
                .map(|(key, _)| key.as_ref().to_string())
        });
        // What is missing may be what was misspelt, and that is told.
        if is_whole || wrong.is_some() {
            complaints.add(at, reason);
        }
        is_whole = false;
        match (wrong, value.as_mut()) {
            (Some(key), DeValue::Table(table)) => drop(table.remove(key.as_str())),
            _ => return None,
        }
    }
}

fn complaint(error: &Error, around: Range<usize>) -> Complaint {
    let message = error.message();
    let hint = misspelt(message).unwrap_or_default();
    Complaint { at: error.span().unwrap_or(around), reason: format!("{message}{hint}") }
}

/// Serde says which field it does not know and which it does; this says which of them was meant.
fn misspelt(message: &str) -> Option<String> {
    let (unknown, known) = message.strip_prefix("unknown ")?.split_once(", expected ")?;
    let word = unknown.split('`').nth(1)?;
    suggestion(word, known.split('`').skip(1).step_by(2))
}

fn suggestion<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let near = known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= 1 + word.chars().count() / 4)
        .min()?;
    Some(format!("; did you mean `{}`?", near.1))
}

/// A duration that is none into the past; without one, what is chosen for it here.
pub(in crate::sim) fn positive_or(
    duration: Option<Spanned<SignedDuration>>,
    default: SignedDuration,
) -> Result<SignedDuration, Complaint> {
    duration.map_or(Ok(default), positive)
}

/// A duration that is none into the past.
pub(in crate::sim) fn positive(duration: Spanned<SignedDuration>) -> Result<SignedDuration, Complaint> {
    if duration.as_ref().is_negative() {
        return complain(duration.span(), "a duration cannot be negative");
    }
    Ok(duration.into_inner())
}
