//! Compiles the protocol with protox, so that nobody needs a `protoc`.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use prost::Message as _;

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script in the environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(["antcode/v1/gateway.proto"], ["proto"])?;
    // For reflection.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        // Maps in a stable order: what is written twice is written alike.
        .btree_map(".")
        // A piece of a log file is not copied out of the message it came in.
        .bytes(".antcode.v1.SendLogChunkRequest.data")
        .compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
