// What every client does, in every language: the cases of sdk/conformance, made with this library.

import Foundation
import XCTest

@testable import Grandstand

extension JSONValue {
  fileprivate var items: [JSONValue] { if case .array(let items) = self { return items } else { return [] } }
  fileprivate var fields: [String: JSONValue] { if case .object(let fields) = self { return fields } else { return [:] } }
  fileprivate var number: Int64 { if case .integer(let number) = self { return number } else { return 0 } }

  /// As a program would have it.
  fileprivate var plain: (any AttributeValue)? {
    switch self {
    case .null, .object: return nil
    case .bool(let value): return value
    case .integer(let value): return value
    case .number(let value): return value
    case .string(let value): return value
    case .array(let values): return values.compactMap(\.string)
    }
  }
}

private func json(_ value: some Encodable) throws -> JSONValue { try JSONDecoder().decode(JSONValue.self, from: try encode(value)) }

private func texts(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }

/// The client that a case is made with, as it is after each step.
private actor Device {
  private let endpoint: String
  private let storage: any KeyValueStorage
  private let drops = Protected<[Drop]>([])
  private var options: [String: JSONValue]
  private var client: GrandstandClient

  init(_ played: JSONValue, endpoint: String) throws {
    self.endpoint = endpoint
    storage = played["storage"]?.string == "fails" ? NoStorage() : MemoryStorage()
    options = played["client"]?.fields ?? [:]
    client = try Self.open(endpoint, storage, options, drops)
  }

  private static func open(
    _ endpoint: String, _ storage: any KeyValueStorage, _ options: [String: JSONValue], _ drops: Protected<[Drop]>
  ) throws -> GrandstandClient {
    var config = Configuration(clientId: "the-app", endpoint: endpoint, storage: storage)
    config.flushInterval = 3600
    config.onDrop = { drop in drops.with { $0.append(drop) } }
    for (name, value) in options {
      switch name {
      case "accessToken": config.accessToken = value.string
      case "nickname": config.nickname = value.string
      case "onInvalidToken": config.onInvalidToken = try XCTUnwrap(OnInvalidToken(rawValue: value.string ?? ""))
      case "timeout": config.timeout = Double(value.number) / 1000
      case "retries": config.retries = Int(value.number)
      case "maxQueue": config.maxQueue = Int(value.number)
      case "pollInterval": config.pollInterval = Double(value.number) / 1000
      default: XCTFail("no option \(name)")
      }
    }
    return try GrandstandClient(config)
  }

  func make(_ step: JSONValue) async throws -> JSONValue {
    do {
      return try await call(step["call"]?.string ?? "", step["with"] ?? [:])
    } catch let error as GrandstandError {
      return [
        "error": .string(error.name), "status": error.api.map { .integer(Int64($0.status)) } ?? nil,
        "code": error.api.map { .string($0.code) } ?? nil,
        "fields": .object((error.api?.fields ?? [:]).mapValues(texts)),
        "requestId": error.api?.requestId.map { .string($0) } ?? nil,
        "retryAfter": error.api?.retryAfter.map { .integer(Int64($0)) } ?? nil,
      ]
    }
  }

  private func call(_ name: String, _ given: JSONValue) async throws -> JSONValue {
    switch name {
    case "init": return try own(try await client.start())
    case "update": return try own(try await client.update(changes(given)))
    case "identify": return try own(try await identify(given))
    case "signOut": try await client.signOut()
    case "flush": try await client.flush()
    case "track": return ["id": .string(track(given))]
    case "drops": return ["drops": .array(drops.with { $0 }.map(said))]
    case "groups": return ["groups": try json(try await client.getGroups())]
    case "isMember": return ["value": .bool(try await client.isMember(of: given["group"]?.string ?? ""))]
    case "watch": return try await watch(Int(given["count"]?.number ?? 0))
    case "restart":
      await client.closeAndWait()
      options.merge(given.fields) { $1 }
      client = try Self.open(endpoint, storage, options, drops)
    default: XCTFail("no call \(name)")
    }
    return [:]
  }

  private func own(_ profile: Profile) throws -> JSONValue {
    ["profile": try json(profile), "token": client.accessToken.map { .string($0) } ?? nil]
  }

  private func changes(_ given: JSONValue) -> ProfileChanges {
    var changes = ProfileChanges()
    if let nickname = given["nickname"]?.string { changes.setNickname(nickname) }
    if let customData = given["custom_data"] { changes.setCustomData(customData.string) }
    changes.setAttributes((given["attributes"]?.fields ?? [:]).mapValues(\.plain))
    return changes
  }

  private func identify(_ given: JSONValue) async throws -> Profile {
    let token = given["token"]?.string ?? ""
    guard let former = given["tokens"]?.string else { return try await client.identify(token) }
    return try await client.identify(token, formerTokens: try XCTUnwrap(FormerTokens(rawValue: former)))
  }

  private func track(_ given: JSONValue) -> String {
    client.track(
      given["type"]?.string ?? "", data: given["data"]?.fields ?? [:], value: given["value"]?.number,
      occurredAt: given["occurredAt"]?.string.flatMap(readISO), id: given["id"]?.string)
  }

  private func said(_ drop: Drop) -> JSONValue {
    ["reason": .string(drop.reason.rawValue), "ids": texts(drop.activities.map(\.id))]
  }

  private func watch(_ count: Int) async throws -> JSONValue {
    func ids(_ groups: [GroupMembership]) -> JSONValue { texts(groups.map(\.groupId)) }
    var changes: [JSONValue] = []
    for try await change in client.groupChanges() {
      changes.append(["groups": ids(change.groups), "entered": ids(change.entered), "left": ids(change.left)])
      if changes.count == count { break }
    }
    return ["changes": .array(changes)]
  }

  func close() { client.close() }
}

final class ConformanceTests: XCTestCase {
  private static let files = ["groups", "identify", "init", "requests", "track"]

  func testInit() async throws { try await play("init") }
  func testIdentify() async throws { try await play("identify") }
  func testTrack() async throws { try await play("track") }
  func testGroups() async throws { try await play("groups") }
  func testRequests() async throws { try await play("requests") }

  func testNoCaseIsLeftOut() async throws {
    let cases = try await cases()
    XCTAssertEqual(Set(cases.compactMap { $0["name"]?.string?.prefix { $0 != ":" } }.map(String.init)), Set(Self.files))
  }

  private func cases() async throws -> [JSONValue] {
    try XCTSkipIf(RealServer.player.isEmpty, "no player: `node scripts/test-swift.mjs` starts one")
    return try JSONDecoder().decode(JSONValue.self, from: try await ask("\(RealServer.player)/cases")).items
  }

  /// The cases of one file, all at once.
  private func play(_ file: String) async throws {
    let cases = try await cases().filter { $0["name"]?.string?.hasPrefix("\(file): ") == true }
    XCTAssertFalse(cases.isEmpty)
    try await withThrowingTaskGroup(of: (String, [JSONValue]).self) { group in
      for played in cases {
        group.addTask { (played["name"]?.string ?? "", try await problems(of: played)) }
      }
      for try await (name, problems) in group {
        XCTAssertEqual(problems, [], name)
      }
    }
  }
}

private func problems(of played: JSONValue) async throws -> [JSONValue] {
  let run = try JSONDecoder().decode(JSONValue.self, from: try await ask("\(RealServer.player)/runs", ["case": played["name"] ?? nil]))
  let endpoint = try XCTUnwrap(run["endpoint"]?.string)
  let device = try Device(played, endpoint: endpoint)
  var outcomes: [JSONValue] = []
  for step in played["steps"]?.items ?? [] {
    let together = try await withThrowingTaskGroup(of: JSONValue.self) { group in
      for _ in 0..<(step["times"]?.number ?? 1) { group.addTask { try await device.make(step) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    outcomes.append(.array(together))
  }
  await device.close()
  let judged = try JSONDecoder().decode(JSONValue.self, from: try await ask("\(endpoint)/outcomes", .array(outcomes)))
  return judged["problems"]?.items ?? ["no judgement"]
}
