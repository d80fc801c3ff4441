//! Compiles the protocol with protox, so that nobody needs a `protoc`.

use std::env;
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(["antcode/v1/gateway.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    tonic_prost_build::configure()
        // Maps in a stable order: what is written twice is written alike.
        .btree_map(".")
        .file_descriptor_set_path(out.join("descriptors.bin"))
        .compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
