//! Networks, written as `10.0.0.0/8`, `fd00::/8` or one address; `unix` stands for the unix sockets.

use std::net::IpAddr;
use std::str::FromStr;

use crate::core::values::ValueError;

use super::peer::Peer;

/// One of those who are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusted {
    Unix,
    Network { address: IpAddr, bits: u8 },
}

impl Trusted {
    pub fn contains(&self, peer: &Peer) -> bool {
        match (self, peer) {
            (Trusted::Unix, Peer::Unix) => true,
            (Trusted::Network { address, bits }, Peer::Tcp(peer)) => {
                let (network, width) = number(*address);
                let (peer, other) = number(peer.ip().to_canonical());
                let shift = u32::from(width - *bits);
                width == other && (network ^ peer).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// An address as a number, and its bits.
fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl FromStr for Trusted {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Trusted, ValueError> {
        let bad = || ValueError::new(format!("{text:?} is no network; write 10.0.0.0/8, fd00::/8, 127.0.0.1 or unix"));
        if text == "unix" {
            return Ok(Trusted::Unix);
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let address = address.to_canonical();
        let (_, width) = number(address);
        let bits = bits.map_or(Ok(width), |bits| bits.parse().map_err(|_| bad()))?;
        if bits > width {
            return Err(bad());
        }
        Ok(Trusted::Network { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let holds = |network: &str, address: &str| {
            let peer = Peer::Tcp(address.parse().expect("an address"));
            network.parse::<Trusted>().expect("a network").contains(&peer)
        };
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2:1", "11.0.0.1:1"),
            ("127.0.0.1", "127.0.0.1:9", "127.0.0.2:9"),
            ("192.168.4.0/23", "192.168.5.255:1", "192.168.6.0:1"),
            ("0.0.0.0/0", "8.8.8.8:1", "[::1]:1"),
            ("fd00::/8", "[fd12::1]:1", "[fe00::1]:1"),
            ("10.0.0.0/8", "[::ffff:10.1.1.1]:1", "[::ffff:11.1.1.1]:1"),
        ] {
            assert!(holds(network, inside) && !holds(network, outside), "{network}");
        }
        assert!("unix".parse::<Trusted>().expect("a word").contains(&Peer::Unix));
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "a/8", "10.0.0.1/-1"] {
            assert!(text.parse::<Trusted>().is_err(), "{text}");
        }
    }
}
