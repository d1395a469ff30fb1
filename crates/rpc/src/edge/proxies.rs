//! Proxies that are believed when they say whom they stand for.

use std::net::IpAddr;

use http::HeaderMap;

/// The header in which each proxy adds whom it was called by.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// A network, as `10.0.0.0/8` or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.map_or(Some(bits_max), |prefix| prefix.parse().ok())?;
        (prefix_bits <= bits_max).then_some(Self { address, prefix_bits })
    }

    pub fn contains(self, address: IpAddr) -> bool {
        let shared = |a: u128, b: u128, bits: u32| {
            let ignored = bits - u32::from(self.prefix_bits);
            ignored >= bits || a >> ignored == b >> ignored
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => shared(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => shared(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

/// Whom the nearest trusted proxy was called by: from the right, the first who is no trusted proxy. What
/// stands further left, whoever that is may have made up.
pub(super) fn forwarded_for(headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let values: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut hops = values.iter().rev().flat_map(|value| value.rsplit(',')).map(str::trim);
    hops.try_fold(None, |nearest, hop| {
        let Ok(address) = hop.parse::<IpAddr>() else { return Err(nearest) };
        match trusted.iter().any(|network| network.contains(address)) {
            true => Ok(Some(address)),
            false => Err(Some(address)),
        }
    })
    .unwrap_or_else(|found| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks() {
        let table = [
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("127.0.0.6", "127.0.0.6", true),
            ("127.0.0.6", "127.0.0.7", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "10.0.0.1", false),
        ];
        for (network, address, inside) in table {
            assert_eq!(Network::parse(network).unwrap().contains(ip(address)), inside, "{network}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "proxy", "::/129", "10.0.0.0/-1"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_client_makes_up_is_not_believed() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        let table = [
            (&["1.2.3.4"][..], Some("1.2.3.4")),
            (&["6.6.6.6, 1.2.3.4"], Some("1.2.3.4")),
            (&["6.6.6.6", "1.2.3.4, 10.0.0.9"], Some("1.2.3.4")),
            (&["10.0.0.1, 10.0.0.9"], Some("10.0.0.1")),
            (&["nonsense, 10.0.0.9"], Some("10.0.0.9")),
            (&["nonsense"], None),
            (&[], None),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(FORWARDED_FOR, value.parse().unwrap());
            }
            assert_eq!(forwarded_for(&headers, &trusted), expected.map(ip), "{values:?}");
        }
    }
}
