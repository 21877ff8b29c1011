//! What probes speak over connections that nobody else does: conversations over WebSockets, and TLS for the sake of a certificate.

pub(super) mod certificate;
pub(super) mod conversation;
