import Foundation
import Grandstand

/// Defaults of an app, or of its group: its extensions have the same fan. Defaults are backed up, so a copy on another device is that fan too.
public final class DefaultsStorage: KeyValueStorage, @unchecked Sendable {
  private let defaults: UserDefaults
  public let identity: String?

  public init(suiteName: String) {
    defaults = UserDefaults(suiteName: suiteName) ?? .standard
    identity = "defaults \(suiteName)"
  }

  public func get(_ key: String) -> String? { defaults.string(forKey: key) }
  public func set(_ key: String, to value: String) { defaults.set(value, forKey: key) }
  public func remove(_ key: String) { defaults.removeObject(forKey: key) }
}
