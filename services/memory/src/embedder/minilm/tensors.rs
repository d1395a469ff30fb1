//! The tensors of a safetensors file: a length, a header in JSON, the bytes.

use std::collections::HashMap;

use serde::Deserialize;

/// The header, in bytes.
const HEADER_BYTES_MAX: usize = 16 << 20;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

pub(super) struct Tensors<'a> {
    entries: HashMap<String, Entry>,
    bytes: &'a [u8],
}

impl<'a> Tensors<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<Self, String> {
        let short = || "model.safetensors: is too short".to_owned();
        let (length, rest) = file.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
        if length > HEADER_BYTES_MAX {
            return Err("model.safetensors: the header is too long".to_owned());
        }
        let (header, bytes) = rest.split_at_checked(length).ok_or_else(short)?;
        let unreadable = |error| format!("model.safetensors: {error}");
        let header: HashMap<String, serde_json::Value> =
            serde_json::from_slice(header).map_err(unreadable)?;
        let tensors = header.into_iter().filter(|(name, _)| name != "__metadata__");
        let entries = tensors
            .map(|(name, entry)| Ok((name, serde_json::from_value(entry).map_err(unreadable)?)));
        Ok(Self { entries: entries.collect::<Result<_, String>>()?, bytes })
    }

    /// The numbers of a tensor of this shape. Some files put `bert.` before every name.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let entry = [name.to_owned(), format!("bert.{name}")];
        let entry = entry.iter().find_map(|name| self.entries.get(name));
        let entry = entry.ok_or_else(|| format!("model.safetensors: has no {name}"))?;
        if entry.dtype != "F32" || entry.shape != shape {
            let (dtype, found) = (&entry.dtype, &entry.shape);
            return Err(format!(
                "model.safetensors: {name} is {dtype} {found:?}, not F32 {shape:?}"
            ));
        }
        let [from, to] = entry.data_offsets;
        let bytes = self.bytes.get(from..to);
        let count = shape.iter().product::<usize>();
        let bytes = bytes.filter(|bytes| bytes.len() == count * size_of::<f32>());
        let bytes = bytes.ok_or_else(|| format!("model.safetensors: {name} is cut off"))?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
    }

    /// Rows of a table whose number of rows is not known before.
    pub(super) fn rows(&self, name: &str, columns: usize) -> Result<Vec<f32>, String> {
        let entry = [name.to_owned(), format!("bert.{name}")];
        let entry = entry.iter().find_map(|name| self.entries.get(name));
        let rows = entry.and_then(|entry| entry.shape.first().copied()).unwrap_or(0);
        self.get(name, &[rows, columns])
    }
}
