//! How many connections, or calls behind a proxy, an address has, and which may not come back yet.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Addresses that are remembered although nothing of theirs is open. Beyond, pauses that are over are
/// forgotten.
const REMEMBERED_MAX: usize = 65_536;

/// Shared by all connections of a process.
#[derive(Debug)]
pub(super) struct Addresses {
    known: Mutex<HashMap<IpAddr, Known>>,
    /// 0 is no bound.
    each_max: usize,
    pause: Duration,
}

#[derive(Debug, Default)]
struct Known {
    open: usize,
    barred_until: Option<Instant>,
}

/// One of an address's, until it is dropped.
#[derive(Debug)]
pub struct AddressPlace {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

/// Why an address gets no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    TooMany,
    Barred,
}

impl Addresses {
    pub(super) fn new(each_max: usize, pause: Duration) -> Arc<Self> {
        Arc::new(Self { known: Mutex::default(), each_max, pause })
    }

    pub(super) const fn each_max(&self) -> usize {
        self.each_max
    }

    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<AddressPlace, NoPlace> {
        self.enter_at(address, Instant::now())
    }

    fn enter_at(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<AddressPlace, NoPlace> {
        let mut known = self.known.lock();
        let of_address = known.entry(canonical(address)).or_default();
        if of_address.barred_until.is_some_and(|until| now < until) {
            return Err(NoPlace::Barred);
        }
        if self.each_max > 0 && of_address.open >= self.each_max {
            return Err(NoPlace::TooMany);
        }
        of_address.barred_until = None;
        of_address.open += 1;
        Ok(AddressPlace { addresses: Arc::clone(self), address: canonical(address) })
    }

    /// The address may not come back for a while.
    pub(super) fn bar(&self, address: IpAddr) {
        let now = Instant::now();
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, known| {
                known.open > 0 || known.barred_until.is_some_and(|until| now < until)
            });
        }
        known.entry(canonical(address)).or_default().barred_until = Some(now + self.pause);
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut known = self.addresses.known.lock();
        let Some(of_address) = known.get_mut(&self.address) else { return };
        of_address.open -= 1;
        if of_address.open == 0 && of_address.barred_until.is_none() {
            known.remove(&self.address);
        }
    }
}

/// An address of IPv4 as itself; of IPv6 the network that one customer has.
fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_and_none_while_it_is_barred() {
        let addresses = Addresses::new(2, Duration::from_secs(10));
        let held: Vec<_> = (0..2).map(|_| addresses.enter(ip("10.0.0.1")).unwrap()).collect();
        assert_eq!(addresses.enter(ip("10.0.0.1")).unwrap_err(), NoPlace::TooMany);
        assert_eq!(addresses.enter(ip("::ffff:10.0.0.1")).unwrap_err(), NoPlace::TooMany);
        assert!(addresses.enter(ip("10.0.0.2")).is_ok());
        drop(held);
        addresses.bar(ip("10.0.0.1"));
        assert_eq!(addresses.enter(ip("10.0.0.1")).unwrap_err(), NoPlace::Barred);
        let later = Instant::now() + Duration::from_secs(11);
        drop(addresses.enter_at(ip("10.0.0.1"), later).unwrap());
        assert!(addresses.known.lock().is_empty(), "nobody is remembered for nothing");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(canonical(ip("2001:db8:1:2:3::1")), canonical(ip("2001:db8:1:2:ffff::9")));
        assert_ne!(canonical(ip("2001:db8:1:2::1")), canonical(ip("2001:db8:1:3::1")));
    }
}
