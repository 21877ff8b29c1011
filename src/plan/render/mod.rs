//! A plan for people: on a terminal, and in a pull request.

mod compare;
mod markdown;
mod role;
mod short;
mod text;
mod words;

pub use markdown::{ReviewContext, markdown};
pub use role::{RoleSubject, role_yaml};
pub use text::{TextStyle, text};
pub use words::{failure_policy, folded, gate, lines, outbound, outlook, resource, way_back};
