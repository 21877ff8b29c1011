//! What the tool promises, tried from outside: one file for each promise.

#[cfg(test)]
mod simulated_cloud;
