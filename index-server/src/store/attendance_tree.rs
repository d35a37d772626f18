//! The attendance of nodes, in a tree beside the lists, so that a release without it can still read the lists.
//!
//! | key | value |
//! |---|---|
//! | one zero byte | the format of the tree, a `u32` |
//! | node number, `u32` big-endian | [`AttendanceRow`] |
//!
//! A release that does not know the tree may forget a node and reuse its number. So a row names its node, and counts only for
//! that node.

use std::array::TryFromSliceError;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bincode::{Decode, Encode};
use protocol::node_id::NodeId;

use super::StoreError;
use super::rows;
use super::side_tree::{self, TreeError};
use crate::catalog::{Attendance, ListHeader, ListWrites};
use crate::ids::NodeNo;

/// The tree's name on disk.
pub(super) const TREE: &str = "standings";

/// The only format that is written and read.
pub(super) const FORMAT: u32 = 1;

/// The attendance of a node.
#[derive(Debug, Encode, Decode)]
struct AttendanceRow {
    node: [u8; 32],
    /// Seconds.
    online: u32,
    /// Empty, or the bytes of an IPv4 or IPv6 address.
    address: Vec<u8>,
}

/// The attendance of all nodes that have a row.
#[derive(Debug, Default)]
pub(super) struct AttendanceTable(BTreeMap<NodeNo, (NodeId, Attendance)>);

impl AttendanceTable {
    /// Returns the attendance of a node.
    pub(super) fn of(&self, number: NodeNo, node: NodeId) -> Attendance {
        let known = self.0.get(&number).filter(|(id, _)| *id == node);
        known.map_or(Attendance::ESTABLISHED, |(_, attendance)| *attendance)
    }
}

/// Returns the changes of the tree for these writes, if any.
pub(super) fn batch(writes: &[ListWrites]) -> Result<Option<sled::Batch>, StoreError> {
    let too_long = || StoreError::Failed { what: "an attendance record exceeds the maximum row size".into() };
    let mut batch = None;
    for write in writes {
        let key = write.node.0.to_be_bytes();
        match &write.header {
            Some(header) if write.has_new_attendance => {
                let row = rows::encode(&row(header)).ok_or_else(too_long)?;
                batch.get_or_insert_with(sled::Batch::default).insert(&key, row);
            }
            Some(_) => {}
            None => batch.get_or_insert_with(sled::Batch::default).remove(&key),
        }
    }
    if let Some(batch) = &mut batch {
        side_tree::write_format(batch, FORMAT)?;
    }
    Ok(batch)
}

/// Reads all rows; none if the tree was never written to.
pub(super) fn read(tree: &sled::Tree) -> Result<AttendanceTable, TreeError> {
    let mut table = AttendanceTable::default();
    side_tree::read(tree, ("attendance records", FORMAT), |key, value| {
        let unreadable = || format!("the attendance record {key:02x?} cannot be read");
        let number = <[u8; 4]>::try_from(key).map_err(|_| unreadable())?;
        let AttendanceRow { node, online, address } = rows::decode(value).ok_or_else(unreadable)?;
        let address = read_address(&address).map_err(|_| unreadable())?;
        let attendance = Attendance { online, address };
        table.0.insert(NodeNo(u32::from_be_bytes(number)), (NodeId::from_bytes(node), attendance));
        Ok(())
    })?;
    Ok(table)
}

fn row(header: &ListHeader) -> AttendanceRow {
    let Attendance { online, address } = header.attendance;
    let address = match address {
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => address.octets().to_vec(),
        None => Vec::new(),
    };
    AttendanceRow { node: *header.id.as_bytes(), online, address }
}

/// Parses the address of a row; returns an error if the length is invalid.
fn read_address(bytes: &[u8]) -> Result<Option<IpAddr>, TryFromSliceError> {
    Ok(match bytes.len() {
        0 => None,
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes)?).into()),
        _ => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes)?).into()),
    })
}
