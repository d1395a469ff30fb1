//! What callers are, and which of them a method admits.

/// What a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Player,
    GameServer,
    Admin,
    Spectator,
    Analyst,
}

impl Role {
    pub const ALL: [Self; 5] =
        [Self::Player, Self::GameServer, Self::Admin, Self::Spectator, Self::Analyst];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::GameServer => "game-server",
            Self::Admin => "admin",
            Self::Spectator => "spectator",
            Self::Analyst => "analyst",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The roles that may call something. An administrator is always among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleSet(u8);

impl RoleSet {
    /// Administrators only.
    pub const ADMIN: Self = Self(Role::Admin.bit());

    /// Everybody who has a valid token.
    pub const ALL: Self = Self::of(&Role::ALL);

    /// These roles and administrators.
    pub const fn of(roles: &[Role]) -> Self {
        let mut set = Self::ADMIN;
        let mut at = 0;
        while at < roles.len() {
            set.0 |= roles[at].bit();
            at += 1;
        }
        set
    }

    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | role.bit())
    }

    pub const fn contains(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }

    /// What a refusal asks for: administrators are named where nobody else is admitted.
    pub(super) fn asked_for(self) -> String {
        let named: Vec<&str> =
            self.iter().filter(|role| *role != Role::Admin).map(Role::as_str).collect();
        if named.is_empty() { Role::Admin.as_str().to_owned() } else { named.join(" or ") }
    }
}
