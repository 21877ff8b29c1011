//! Rectify's promises, one file each, in one binary.

mod architecture;
