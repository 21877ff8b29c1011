//! How a type is written to, and what answers a write: the dialects of Google's APIs.

/// How an existing resource is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateDialect {
    /// `PATCH ?updateMask=a.b,c` with the named fields in the body (AIP-134).
    FieldMask,
    /// Compute Engine: `PATCH` with a part of the resource and its fingerprint; `null` clears a field.
    Compute,
    /// `PATCH` with a part of the resource, no mask; the API merges it, and `null` clears a field.
    MergePatch,
    /// `PATCH` without a mask, of which Google does not say that it merges: the whole resource is sent.
    WholePatch,
    /// `PUT` with the whole resource: what is left out is lost.
    Replace,
    /// `PUT` with the whole resource and a mask.
    ReplaceWithMask,
    /// The body is a message that has the resource in one field and the mask in another.
    Wrapped {
        /// The field of the body that has the resource.
        resource: &'static str,
        /// The field of the body that has the mask, if it has one.
        mask: Option<&'static str>,
    },
    /// The body has other fields than the resource: how a change is written does not follow from the schema. Such a type is
    /// changed by its methods.
    Underivable,
}

impl UpdateDialect {
    pub(super) fn parse(text: &'static str) -> Option<UpdateDialect> {
        let words: Vec<&'static str> = text.split(',').collect();
        Some(match words[..] {
            ["mask"] => UpdateDialect::FieldMask,
            ["compute"] => UpdateDialect::Compute,
            ["merge"] => UpdateDialect::MergePatch,
            ["whole"] => UpdateDialect::WholePatch,
            ["put"] => UpdateDialect::Replace,
            ["put-mask"] => UpdateDialect::ReplaceWithMask,
            ["wrapped", resource, mask] => {
                UpdateDialect::Wrapped { resource, mask: (!mask.is_empty()).then_some(mask) }
            }
            ["other"] => UpdateDialect::Underivable,
            _ => return None,
        })
    }

    /// Whether it sends the resource as a whole, so that what is left out is lost.
    pub fn is_whole(self) -> bool {
        match self {
            UpdateDialect::WholePatch | UpdateDialect::Replace | UpdateDialect::ReplaceWithMask => true,
            UpdateDialect::FieldMask
            | UpdateDialect::Compute
            | UpdateDialect::MergePatch
            | UpdateDialect::Wrapped { .. }
            | UpdateDialect::Underivable => false,
        }
    }

    /// A name for it in listings.
    pub fn name(self) -> &'static str {
        match self {
            UpdateDialect::FieldMask => "field mask",
            UpdateDialect::Compute => "Compute merge patch",
            UpdateDialect::MergePatch => "merge patch",
            UpdateDialect::WholePatch => "whole resource by PATCH",
            UpdateDialect::Replace => "whole resource by PUT",
            UpdateDialect::ReplaceWithMask => "whole resource by PUT with a mask",
            UpdateDialect::Wrapped { .. } => "wrapped in a request message",
            UpdateDialect::Underivable => "request of another shape",
        }
    }
}

/// What makes a write conditional on what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The type has none: what was read can only be compared right before the write.
    None,
    /// A field of the resource, sent back in the body. That it is sent does not prove that the API checks it.
    InBody {
        /// Its path, such as `etag` or `settings.settingsVersion`.
        field: &'static str,
    },
    /// A field of the resource, sent as a query parameter.
    InQuery {
        /// The field of the resource.
        field: &'static str,
        /// The parameter's name.
        parameter: &'static str,
    },
    /// A field of the resource that shows changes and that no write takes.
    ComparedOnly {
        /// The field of the resource.
        field: &'static str,
    },
}

impl Token {
    pub(super) fn parse(text: &'static str) -> Token {
        if text == "-" {
            return Token::None;
        }
        if let Some((field, parameter)) = text.split_once('?') {
            return Token::InQuery { field, parameter };
        }
        match text.strip_suffix('!') {
            Some(field) => Token::ComparedOnly { field },
            None => Token::InBody { field: text },
        }
    }

    /// The field of the resource that it is, if there is one.
    pub fn field(self) -> Option<&'static str> {
        match self {
            Token::None => None,
            Token::InBody { field } | Token::InQuery { field, .. } | Token::ComparedOnly { field } => Some(field),
        }
    }
}

/// What a method answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing that says anything.
    Nothing,
    /// The resource.
    Resource,
    /// An operation, which is awaited.
    Operation(OperationDialect),
    /// Another message.
    Other,
}

impl Answer {
    pub(super) fn parse(text: &str) -> Option<Answer> {
        Some(match text {
            "-" => Answer::Nothing,
            "=" => Answer::Resource,
            "?" => Answer::Other,
            "o" => Answer::Operation(OperationDialect::LongRunning),
            "oS" => Answer::Operation(OperationDialect::Storage),
            "oc" => Answer::Operation(OperationDialect::Compute),
            "oq" => Answer::Operation(OperationDialect::CloudSql),
            "ok" => Answer::Operation(OperationDialect::Kubernetes),
            "od" => Answer::Operation(OperationDialect::Dns),
            _ => return None,
        })
    }
}

/// What an operation looks like, and where it is asked for. The state of a resource is always read from the resource: what an
/// operation answers with may be empty or stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationDialect {
    /// AIP-151: `name`, `done` (absent means not yet), then `response` or `error`. Asked at version and name.
    LongRunning,
    /// The same of Cloud Storage: asked at `selfLink`.
    Storage,
    /// Compute Engine and Deployment Manager: `status` is `DONE`, `error.errors[]`. Asked at `selfLink`; `/wait` behind it holds
    /// the answer. It may be done *with* an error.
    Compute,
    /// Cloud SQL: `status` is `DONE`, `error.errors[]`. Asked at the project's `operations`.
    CloudSql,
    /// GKE: `status` is `DONE`, `error`. Its name is bare: asked at the location's `operations`.
    Kubernetes,
    /// Cloud DNS: `status` is `done`. Asked at the zone's `operations`; its id is `id`.
    Dns,
}
