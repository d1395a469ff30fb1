//! `proto/` to a descriptor set, Rust stubs and the facts about each method, with protox: no protoc is
//! needed. A method that does not declare its facts does not build.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use gamemesh_facts::{Contracts, rust};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut protos = Vec::new();
    find_protos(Path::new("proto/gamemesh"), &mut protos)?;
    protos.sort();

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(&protos)?;

    // The encoded form keeps the google.api.http options, which prost-types would drop.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;
    let contracts = Contracts::decode(&descriptors)?;
    let declared = contracts.declared()?;

    tonic_prost_build::configure()
        .bytes(".")
        .build_transport(false)
        .codec_path("crate::codec::Codec")
        .compile_fds(compiler.file_descriptor_set())?;

    let packages: BTreeSet<&str> = declared
        .iter()
        .filter_map(|(method, _)| method.service.rsplit_once('.'))
        .map(|(p, _)| p)
        .collect();
    for package in packages {
        let facts = rust::module(&contracts, &declared, package)?;
        let mut stubs = OpenOptions::new().append(true).open(out.join(format!("{package}.rs")))?;
        stubs.write_all(facts.as_bytes())?;
    }
    for package in contracts.packages() {
        let masks = rust::masks(&contracts, package);
        if !masks.is_empty() {
            let stubs = out.join(format!("{package}.rs"));
            OpenOptions::new().append(true).open(stubs)?.write_all(masks.as_bytes())?;
        }
    }
    Ok(())
}

fn find_protos(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
