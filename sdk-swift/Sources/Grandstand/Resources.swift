// The server's resources as a fan's own token sees them. Newer servers may send further fields, which are left out.

/// A named fact about a profile. A key may stand several times, with different values.
public struct Attribute: Codable, Sendable, Hashable {
  public var key: String
  public var value: String

  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}

/// A fan. Instants are ISO 8601 in UTC, with six digits of a second.
public struct Profile: Codable, Sendable, Hashable, Identifiable {
  /// UUID.
  public let id: String
  public let nickname: String
  public let clientId: String?
  public let url: String?
  public let createdAt: String?
  public let updatedAt: String?
  /// The newest activity, nil while there is none.
  public let lastActiveAt: String?
  /// The application's own id of this fan, set by its back end.
  public let customId: String?
  /// Anything of the application's, kept byte for byte.
  public let customData: String?
  public let attributes: [Attribute]

  enum CodingKeys: String, CodingKey {
    case id, nickname, url, attributes
    case clientId = "client_id"
    case createdAt = "created_at"
    case updatedAt = "updated_at"
    case lastActiveAt = "last_active_at"
    case customId = "custom_id"
    case customData = "custom_data"
  }
}

/// What other profiles may see of a profile.
public struct PublicProfile: Codable, Sendable, Hashable, Identifiable {
  public let id: String
  public let nickname: String
  public let url: String?
  public let createdAt: String?
  public let attributes: [Attribute]?

  enum CodingKeys: String, CodingKey {
    case id, nickname, url, attributes
    case createdAt = "created_at"
  }
}

/// A group that a profile is a member of.
public struct GroupMembership: Codable, Sendable, Hashable, Identifiable {
  public let groupId: String
  public let groupName: String?
  public let profileCount: Int?
  public let createdAt: String?
  public let customId: String?

  public var id: String { groupId }

  enum CodingKeys: String, CodingKey {
    case groupId = "group_id"
    case groupName = "group_name"
    case profileCount = "profile_count"
    case createdAt = "created_at"
    case customId = "custom_id"
  }
}

/// The groups of the own profile now, and against the time before; at first nothing entered or left.
public struct GroupsChange: Sendable, Hashable {
  public let groups: [GroupMembership]
  public let entered: [GroupMembership]
  public let left: [GroupMembership]
}

/// One thing that a fan did, as it is sent.
public struct Activity: Codable, Sendable, Hashable, Identifiable {
  /// Unique among the fan's; the same id again changes nothing.
  public let id: String
  public let type: String
  public internal(set) var occurredAt: String?
  public let value: Int64?
  public internal(set) var data: JSONValue?

  enum CodingKeys: String, CodingKey {
    case id, type, value, data
    case occurredAt = "occurred_at"
  }
}

/// Activities that will never reach the server, and why.
public struct Drop: Sendable, CustomStringConvertible {
  public enum Reason: String, Sendable {
    /// More waited than `maxQueue`.
    case full

    /// They cannot be written as JSON, or the server refused them for good.
    case rejected
  }

  public let reason: Reason
  public let activities: [Activity]

  /// Of `rejected`: what was wrong with each, in the order of `activities`.
  public let problems: [String]

  public var description: String {
    "\(reason): \(activities.map(\.type).joined(separator: ", ")) \(problems)"
  }
}
