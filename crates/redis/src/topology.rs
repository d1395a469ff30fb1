//! Which node of a cluster has a slot.

use redis::{Client, ConnectionInfo, ErrorKind, RedisError, RedisResult, Value};

use crate::address::{elsewhere, host};

/// The node that has this slot, first, and all the others; as one of those known sees it. Who is asked
/// moves to the end first: he may keep silent until the caller's patience ends, and whoever asks again
/// shall begin with the next one.
pub(crate) async fn owner_first(
    known: &mut [ConnectionInfo],
    slot: u16,
) -> RedisResult<Vec<ConnectionInfo>> {
    let mut failure = RedisError::from((ErrorKind::Client, "no node of the cluster is known"));
    for _ in 0..known.len() {
        let Some(node) = known.first().cloned() else { break };
        known.rotate_left(1);
        match ask(&node, slot).await {
            Ok(nodes) => return Ok(nodes),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn ask(node: &ConnectionInfo, slot: u16) -> RedisResult<Vec<ConnectionInfo>> {
    let mut connection = Client::open(node.clone())?.get_multiplexed_async_connection().await?;
    let ranges: Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
    read(node, i64::from(slot), &ranges)
        .ok_or_else(|| RedisError::from((ErrorKind::Client, "no node has the slot of the channel")))
}

/// The answer to `CLUSTER SLOTS`: of each range first and last slot, then its nodes, the primary
/// first.
fn read(asked: &ConnectionInfo, slot: i64, ranges: &Value) -> Option<Vec<ConnectionInfo>> {
    let Value::Array(ranges) = ranges else { return None };
    let mut nodes = Vec::new();
    let mut owner = None;
    for range in ranges {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), of_range @ ..] = range.as_slice() else {
            return None;
        };
        if (first..=last).contains(&&slot) {
            owner = Some(nodes.len());
        }
        nodes.extend(of_range.iter().filter_map(|node| address(asked, node)));
    }
    let owner = owner.filter(|owner| *owner < nodes.len())?;
    nodes.swap(0, owner);
    Some(nodes)
}

fn address(asked: &ConnectionInfo, node: &Value) -> Option<ConnectionInfo> {
    let Value::Array(node) = node else { return None };
    let [name, Value::Int(port), ..] = node.as_slice() else { return None };
    let name = match name {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
        Value::SimpleString(text) => text,
        _ => "",
    };
    // A node that does not know its own address leaves it to him who asked.
    let name = if name.is_empty() || name == "?" { host(asked) } else { name };
    Some(elsewhere(asked, name, u16::try_from(*port).ok()?))
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo as _;

    use super::*;

    fn node(name: Value, port: i64) -> Value {
        Value::Array(vec![name, Value::Int(port), Value::BulkString(b"id".to_vec())])
    }

    fn named(name: &str, port: i64) -> Value {
        node(Value::BulkString(name.as_bytes().to_vec()), port)
    }

    #[test]
    fn the_owner_comes_first() {
        let asked = "redis://:secret@seed:1".into_connection_info().unwrap();
        let range = |first, last, nodes: [Value; 2]| {
            let [primary, replica] = nodes;
            Value::Array(vec![Value::Int(first), Value::Int(last), primary, replica])
        };
        let answer = Value::Array(vec![
            range(0, 99, [named("a", 1), named("b", 2)]),
            range(100, 199, [node(Value::Nil, 3), named("", 4)]),
        ]);
        let shown = |slot| {
            let nodes = read(&asked, slot, &answer)?;
            assert!(nodes.iter().all(|n| n.redis_settings().password() == Some("secret")));
            Some(nodes.iter().map(|n| n.addr().to_string()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown(99).as_deref(), Some("a:1 b:2 seed:3 seed:4"));
        assert_eq!(shown(100).as_deref(), Some("seed:3 b:2 a:1 seed:4"));
        assert_eq!(shown(200), None);
        for strange in [Value::Nil, Value::Array(vec![Value::Okay]), Value::Array(vec![])] {
            assert!(read(&asked, 1, &strange).is_none());
        }
    }
}
