//! The public edge: what must hold on an open network.

mod identity;
