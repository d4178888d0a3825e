//! What a search of one object finds.

/// How a search of one object ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// An order of all that surely happened.
    Order(Vec<u32>),
    /// There is none.
    Dead(Dead),
}

/// Proof that there is no order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dead {
    /// An order of everything that returned before `front`, and perhaps more.
    pub order: Vec<u32>,
    /// The return that no order passes.
    pub front: u32,
}
