//! A descriptor set with some of its services only.

use std::collections::HashSet;

use prost::DecodeError;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::contracts::{Contracts, qualified};

/// A descriptor set whose files stay as they were encoded.
#[derive(Clone, PartialEq, prost::Message)]
struct EncodedFiles {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

impl Contracts {
    /// The descriptor set without the files of services that are not named, and without what only those
    /// import. What is left is byte for byte as it was, with options and comments.
    pub fn only(descriptor_set: &[u8], services: &[&str]) -> Result<Vec<u8>, DecodeError> {
        let contracts = Self::decode(descriptor_set)?;
        let kept = contracts.files_of(services);
        let mut encoded = EncodedFiles::decode(descriptor_set)?;
        let mut files = contracts.set.file.iter();
        encoded.file.retain(|_| files.next().is_some_and(|file| kept.contains(file.name.as_str())));
        Ok(encoded.encode_to_vec())
    }

    /// The files of these services, and all that they import.
    fn files_of(&self, services: &[&str]) -> HashSet<&str> {
        let files = &self.set.file;
        let mut open: Vec<&str> = files
            .iter()
            .filter(|file| {
                let mut own = file.service.iter();
                own.any(|own| services.contains(&&*qualified(&file.package, &own.name)))
            })
            .map(|file| file.name.as_str())
            .collect();
        let mut kept = HashSet::new();
        while let Some(name) = open.pop() {
            if kept.insert(name)
                && let Some(file) = files.iter().find(|file| file.name == name)
            {
                open.extend(file.dependency.iter().map(String::as_str));
            }
        }
        kept
    }
}
