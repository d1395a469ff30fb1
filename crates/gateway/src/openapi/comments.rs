//! The comments of the protos: they are the descriptions.

use std::collections::HashMap;

use prost_reflect::FileDescriptor;

type ByPath = HashMap<Vec<i32>, String>;

/// Comments by file and by the path of what they stand at.
#[derive(Default)]
pub(super) struct Comments {
    files: HashMap<String, ByPath>,
}

impl Comments {
    pub(super) fn of(&mut self, file: &FileDescriptor, path: &[i32]) -> Option<String> {
        let comments = self.files.entry(file.name().to_owned()).or_insert_with(|| read(file));
        comments.get(path).cloned()
    }
}

fn read(file: &FileDescriptor) -> ByPath {
    let Some(info) = &file.file_descriptor_proto().source_code_info else { return ByPath::new() };
    info.location
        .iter()
        .filter_map(|location| {
            let text =
                location.leading_comments.as_deref().or(location.trailing_comments.as_deref())?;
            let lines: Vec<_> = text.lines().map(str::trim).collect();
            Some((location.path.clone(), lines.join("\n").trim().to_owned()))
        })
        .collect()
}
