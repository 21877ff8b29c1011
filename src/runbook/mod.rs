//! Text → typed runbook. No network, no clock, no opinion about Google.
