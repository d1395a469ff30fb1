//! The stored result of an append that had an idempotency key: checksum, then for each stream the
//! length of its name, the name, its lane if the store has several, and three numbers, all big-endian.

use crate::{Lane, LogError, StreamAppended, StreamName};

/// `several_lanes` is a property of the adapter's format, and the same when it is decoded.
pub fn encode_kept(streams: &[StreamAppended], several_lanes: bool) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for stream in streams {
        let name = stream.stream.as_str().as_bytes();
        bytes.extend_from_slice(&(name.len() as u16).to_be_bytes());
        bytes.extend_from_slice(name);
        if several_lanes {
            bytes.extend_from_slice(&stream.lane.0.to_be_bytes());
        }
        for number in [stream.first_version, stream.last_version, stream.last_position] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
    }
    let crc = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_be_bytes());
    bytes
}

pub fn decode_kept(bytes: &[u8], several_lanes: bool) -> Result<Vec<StreamAppended>, LogError> {
    decoded(bytes, several_lanes)
        .ok_or_else(|| LogError::Corrupted("the result kept for a key".to_owned()))
}

fn decoded(bytes: &[u8], several_lanes: bool) -> Option<Vec<StreamAppended>> {
    let (crc, mut rest) = bytes.split_at_checked(4)?;
    if crc != crc32fast::hash(rest).to_be_bytes() {
        return None;
    }
    let mut streams = Vec::new();
    while !rest.is_empty() {
        let length = take(&mut rest, 2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let name = std::str::from_utf8(take(&mut rest, length)?).ok()?;
        let lane = match several_lanes {
            true => u16::from_be_bytes(take(&mut rest, 2)?.try_into().ok()?),
            false => 0,
        };
        let mut number = || Some(u64::from_be_bytes(take(&mut rest, 8)?.try_into().ok()?));
        streams.push(StreamAppended {
            stream: StreamName::parse(name)?,
            lane: Lane(lane),
            first_version: number()?,
            last_version: number()?,
            last_position: number()?,
        });
    }
    Some(streams)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_flipped_bit() {
        for several_lanes in [false, true] {
            let streams: Vec<_> = ["a", "ключ", ""]
                .into_iter()
                .enumerate()
                .map(|(at, key)| StreamAppended {
                    stream: StreamName::new("test", key),
                    lane: Lane(if several_lanes { at as u16 * 300 } else { 0 }),
                    first_version: at as u64,
                    last_version: u64::MAX,
                    last_position: 77,
                })
                .collect();
            let bytes = encode_kept(&streams, several_lanes);
            assert_eq!(decode_kept(&bytes, several_lanes).unwrap(), streams);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(decode_kept(&damaged, several_lanes).is_err(), "bit {bit}");
            }
        }
    }
}
