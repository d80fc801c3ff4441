//! The port on the open internet: what strangers may do to it, and what it makes of that.

mod wire;
