//! The canonical codes of Google's APIs, by which an error says what it means. Source: `google/rpc/code.proto`.

use std::fmt;

/// Declares the codes with their numbers and names.
macro_rules! codes {
    ($($code:ident = $number:literal $name:literal,)*) => {
        /// A canonical code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code { $($code,)* }

        impl Code {
            #[cfg(test)]
            pub(super) const ALL: &'static [Code] = &[$(Code::$code,)*];

            /// The code of this number, as an operation's `error` has it. A number that is not in the list is
            /// `Unknown`, as the list itself asks for.
            pub(super) fn of_number(number: i64) -> Code {
                match number {
                    $($number => Code::$code,)*
                    _ => Code::Unknown,
                }
            }

            /// The code of this name, such as `NOT_FOUND`.
            pub(super) fn of_name(name: &str) -> Option<Code> {
                match name {
                    $($name => Some(Code::$code),)*
                    _ => None,
                }
            }

            /// Its name, such as `NOT_FOUND`.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Code::$code => $name,)*
                }
            }
        }
    };
}

codes! {
    Ok = 0 "OK",
    Cancelled = 1 "CANCELLED",
    Unknown = 2 "UNKNOWN",
    InvalidArgument = 3 "INVALID_ARGUMENT",
    DeadlineExceeded = 4 "DEADLINE_EXCEEDED",
    NotFound = 5 "NOT_FOUND",
    AlreadyExists = 6 "ALREADY_EXISTS",
    PermissionDenied = 7 "PERMISSION_DENIED",
    ResourceExhausted = 8 "RESOURCE_EXHAUSTED",
    FailedPrecondition = 9 "FAILED_PRECONDITION",
    Aborted = 10 "ABORTED",
    OutOfRange = 11 "OUT_OF_RANGE",
    Unimplemented = 12 "UNIMPLEMENTED",
    Internal = 13 "INTERNAL",
    Unavailable = 14 "UNAVAILABLE",
    DataLoss = 15 "DATA_LOSS",
    Unauthenticated = 16 "UNAUTHENTICATED",
}

impl Code {
    /// What HTTP's status means where an answer names no code of its own, as Compute Engine's, Cloud SQL's and a proxy's. Source: the HTTP
    /// mapping in `google/rpc/code.proto`; 408 is a proxy's 504 (RFC 9110, section 15.5.9).
    pub(super) fn of_http(status: u16) -> Option<Code> {
        match status {
            400 => Some(Code::InvalidArgument),
            401 => Some(Code::Unauthenticated),
            403 => Some(Code::PermissionDenied),
            404 => Some(Code::NotFound),
            409 | 412 => Some(Code::Aborted),
            429 => Some(Code::ResourceExhausted),
            499 => Some(Code::Cancelled),
            500 => Some(Code::Internal),
            501 => Some(Code::Unimplemented),
            502 | 503 => Some(Code::Unavailable),
            408 | 504 => Some(Code::DeadlineExceeded),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use google_cloud_gax::error::rpc::Code as Google;

    use super::*;

    #[test]
    fn the_codes_are_googles() {
        for (number, code) in (0..).zip(Code::ALL.iter().copied()) {
            assert_eq!(Google::from(number).name(), code.name());
            assert_eq!(Code::of_number(i64::from(number)), code);
            assert_eq!(Code::of_name(code.name()), Some(code));
        }
        assert_eq!((Code::of_number(17), Code::of_number(-1)), (Code::Unknown, Code::Unknown));
    }
}
