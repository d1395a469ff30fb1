//! The stored result of an append that had an idempotency key: checksum, then for each stream the
//! length of its name, the name, its lane and three numbers, all big-endian.

use gamemesh_repository::{Lane, LogError, StreamAppended, StreamName};

pub(crate) fn encode(streams: &[StreamAppended]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for stream in streams {
        let name = stream.stream.as_str().as_bytes();
        bytes.extend_from_slice(&(name.len() as u16).to_be_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&stream.lane.0.to_be_bytes());
        for number in [stream.first_version, stream.last_version, stream.last_position] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
    }
    let crc = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_be_bytes());
    bytes
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<StreamAppended>, LogError> {
    decoded(bytes).ok_or_else(|| LogError::Corrupted("the result kept for a key".to_owned()))
}

fn decoded(bytes: &[u8]) -> Option<Vec<StreamAppended>> {
    let (crc, mut rest) = bytes.split_at_checked(4)?;
    if crc != crc32fast::hash(rest).to_be_bytes() {
        return None;
    }
    let mut streams = Vec::new();
    while !rest.is_empty() {
        let length = take(&mut rest, 2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let name = std::str::from_utf8(take(&mut rest, length)?).ok()?;
        let lane = Lane(u16::from_be_bytes(take(&mut rest, 2)?.try_into().ok()?));
        let mut number = || Some(u64::from_be_bytes(take(&mut rest, 8)?.try_into().ok()?));
        streams.push(StreamAppended {
            stream: StreamName::parse(name)?,
            lane,
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
        let streams: Vec<_> = ["a", "ключ", ""]
            .into_iter()
            .enumerate()
            .map(|(at, key)| StreamAppended {
                stream: StreamName::new("test", key),
                lane: Lane(at as u16 * 300),
                first_version: at as u64,
                last_version: u64::MAX,
                last_position: 77,
            })
            .collect();
        let bytes = encode(&streams);
        assert_eq!(decode(&bytes).unwrap(), streams);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&damaged).is_err(), "bit {bit}");
        }
    }
}
