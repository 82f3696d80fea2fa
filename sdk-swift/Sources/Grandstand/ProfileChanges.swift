// What a fan may change about the own profile, and what a program has (numbers, instants, lists) as the texts that travel.

import Foundation

/// What an attribute may be set to: text, numbers, booleans, instants, or a list of such. Values travel as texts.
public protocol AttributeValue: Sendable {
  /// One for each value of the key.
  var attributeTexts: [String] { get }
}

extension String: AttributeValue {
  public var attributeTexts: [String] { [self] }
}

extension Int: AttributeValue {
  public var attributeTexts: [String] { [String(self)] }
}

extension Int64: AttributeValue {
  public var attributeTexts: [String] { [String(self)] }
}

extension Double: AttributeValue {
  public var attributeTexts: [String] { [String(self)] }
}

extension Bool: AttributeValue {
  public var attributeTexts: [String] { [String(self)] }
}

extension Date: AttributeValue {
  public var attributeTexts: [String] { [isoText(self)] }
}

extension Array: AttributeValue where Element: AttributeValue {
  public var attributeTexts: [String] { flatMap(\.attributeTexts) }
}

/// Changes of the own profile. What is not named stays as it is.
public struct ProfileChanges: Sendable {
  private var fields: [String: JSONValue] = [:]
  private var texts: [(key: String, value: String)] = []
  private var removed: [String] = []

  public init() {}

  /// 1 to 100 characters.
  public mutating func setNickname(_ nickname: String) { fields["nickname"] = .string(nickname) }

  /// Anything of yours, at most 64 KiB; nil takes it away.
  public mutating func setCustomData(_ customData: String?) {
    fields["custom_data"] = customData.map { .string($0) } ?? .null
  }

  /// All values of one key; nil or an empty list removes the key.
  public mutating func setAttribute(_ key: String, to value: (any AttributeValue)?) {
    let values = value?.attributeTexts ?? []
    if values.isEmpty { removed.append(key) }
    texts += values.map { (key, $0) }
  }

  /// As `setAttribute`, for several keys.
  public mutating func setAttributes(_ values: [String: (any AttributeValue)?]) {
    for (key, value) in values.sorted(by: { $0.key < $1.key }) { setAttribute(key, to: value) }
  }

  /// Instead of all attributes that a fan may write.
  public mutating func replaceAttributes(with attributes: [Attribute]) {
    fields["attributes"] = .array(attributes.map { pair($0.key, $0.value) })
  }

  func json() throws -> JSONValue {
    if texts.isEmpty && removed.isEmpty { return .object(fields) }
    guard fields["attributes"] == nil else {
      throw GrandstandError.misuse("Attributes are replaced as a whole or changed one by one, not both.")
    }
    let patch: JSONValue = [
      "set": .array(texts.map { pair($0.key, $0.value) }), "remove": .array(removed.map { .string($0) }),
    ]
    return .object(fields.merging(["attributes": patch]) { $1 })
  }
}

private func pair(_ key: String, _ value: String) -> JSONValue { ["key": .string(key), "value": .string(value)] }
