// The client against the real server, and against a network, a storage and a clock that fail.

import Foundation
import XCTest

@testable import Grandstand

final class ClientTests: ServerTestCase {
  func testAFanBeginsChangesTheProfileAndDoesSomething() async throws {
    let fan = try RealServer.client { $0.onDrop = { drop in XCTFail("\(drop)") } }
    XCTAssertNil(fan.profile)
    let profile = try await fan.start()
    XCTAssertEqual(fan.profile, profile)
    let changed = try await fan.update { change in
      change.setNickname("Ada")
      change.setCustomData(#"{"a" : 1}"#)
    }
    XCTAssertEqual([changed.id, changed.nickname, changed.customData], [profile.id, "Ada", #"{"a" : 1}"#])
    let refreshed = try await fan.refresh()
    XCTAssertEqual(refreshed.nickname, "Ada")
    let seen = try await fan.getProfile(profile.id)
    XCTAssertEqual(seen.nickname, "Ada")
    let data: [String: any Encodable & Sendable] = ["poll": "p1", "seats": [1, 2], "at": Date(timeIntervalSince1970: 0.25)]
    let first = fan.track("poll-voted", data: data, value: 1)
    let second = fan.track("poll-voted", occurredAt: Date(timeIntervalSinceNow: -60))
    try await fan.flush()
    let ids = try await RealServer.activityIds(of: profile.id)
    XCTAssertEqual(ids, [first, second].sorted())
    let kept = try await RealServer.activities(of: profile.id).first { $0["id"]?.string == first }
    XCTAssertEqual(kept?["data"], ["poll": "p1", "seats": [1, 2], "at": "1970-01-01T00:00:00.250000Z"])
    XCTAssertEqual(kept?["value"], 1)
    let again = try await fan.request("GET", "/applications/\(RealServer.clientId)/profile/")
    XCTAssertEqual(again["id"]?.string, profile.id)
    fan.close()
  }

  func testAttributesAreSetOneByOneAndRemoved() async throws {
    let fan = try RealServer.client()
    try await fan.start()
    let path = "applications/\(RealServer.clientId)/profile-attributes/"
    for (key, type) in [("swift_team", "string"), ("swift_seats", "list"), ("swift_since", "datetime")] {
      let definition: JSONValue = ["key": .string(key), "label": .string(key), "type": .string(type), "writable_by": "profile"]
      try await RealServer.admin("POST", path, definition)
    }
    let since = Date(timeIntervalSince1970: 1_700_000_000)
    try await fan.setAttributes(["swift_team": "lions", "swift_seats": ["A1", "A2"], "swift_since": since])
    let changed = try await fan.setAttributes(["swift_team": nil])
    let pairs = changed.attributes.filter { $0.key.hasPrefix("swift_") }.map { "\($0.key) \($0.value)" }.sorted()
    XCTAssertEqual(pairs.filter { $0.hasPrefix("swift_seats") }, ["swift_seats A1", "swift_seats A2"])
    XCTAssertTrue(pairs.contains { $0.hasPrefix("swift_since 2023-11-14T22:13:20") }, "\(pairs)")
    XCTAssertFalse(pairs.contains { $0.hasPrefix("swift_team") })
    let both = await failure {
      try await fan.update { change in
        change.setAttribute("swift_team", to: "tigers")
        change.replaceAttributes(with: [])
      }
    }
    XCTAssertEqual(both?.name, "Misuse")
  }

  func testAHundredStartsAtOnceMakeOneProfileByOneClientAndByMany() async throws {
    let before = try await RealServer.countProfiles()
    let one = try RealServer.client(FileStorage(folder: folder))
    let other = folder.appendingPathComponent("..").appendingPathComponent(folder.lastPathComponent)
    let many = try (0..<50).map { _ in try RealServer.client(FileStorage(folder: other)) }
    let ids = try await withThrowingTaskGroup(of: String.self) { group in
      for fan in [GrandstandClient](repeating: one, count: 50) + many { group.addTask { try await fan.start().id } }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    XCTAssertEqual(ids.count, 1)
    let after = try await RealServer.countProfiles()
    XCTAssertEqual(after, before + 1)
  }

  func testAnAnswerThatWasLostMakesNoSecondProfileAlsoAfterARestart() async throws {
    let network = try FaultProxy(to: RealServer.url)
    defer { network.close() }
    let before = try await RealServer.countProfiles()
    network.set(.loseAnswer)
    let lost = try RealServer.client(FileStorage(folder: folder), endpoint: network.url) { $0.retries = 0 }
    let error = await failure { try await lost.start() }
    XCTAssertEqual(error?.name, "Network")
    try await eventually { try await RealServer.countProfiles() == before + 1 }
    await lost.closeAndWait()
    network.set(.none)
    let fan = try RealServer.client(FileStorage(folder: folder), endpoint: network.url)
    try await fan.start()
    let after = try await RealServer.countProfiles()
    XCTAssertEqual(after, before + 1)
    network.set(.loseRequest)
    let offline = try RealServer.client(FileStorage(folder: folder), endpoint: network.url) { $0.retries = 0 }
    let seen = try await offline.start()
    XCTAssertEqual(seen.id, fan.profile?.id)
  }

  func testWhatWasTrackedSurvivesAKilledServerAndAClosedClientAndCountsOnce() async throws {
    let fan = try RealServer.client(FileStorage(folder: folder)) { config in
      config.retries = 0
      config.flushInterval = 3600
    }
    let profile = try await fan.start()
    let ids = (0..<90).map { _ in fan.track("poll-voted") }
    try await RealServer.control("kill")
    let error = await failure { try await fan.flush() }
    fan.track("session-started", id: "last")
    await fan.closeAndWait()
    try await RealServer.control("start")
    XCTAssertEqual(error?.name, "Network")
    let again = try RealServer.client(FileStorage(folder: folder))
    let same = try await again.start()
    XCTAssertEqual(same.id, profile.id)
    try await again.flush()
    let path = "applications/\(RealServer.clientId)/profiles/\(profile.id)/activities/?page_size=1"
    let count = try await RealServer.admin("GET", path)["count"]
    XCTAssertEqual(count, .integer(Int64(ids.count) + 1))
    let folder = folder
    try await eventually { try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.contains("queue") } }
  }

  func testAServerThatStallsIsATimeoutAndCancellingEndsTheCall() async throws {
    let network = try FaultProxy(to: RealServer.url)
    defer { network.close() }
    let storage = MemoryStorage()
    let fan = try RealServer.client(storage, endpoint: network.url)
    try await fan.start()
    let hasty = try RealServer.client(storage, endpoint: network.url) { config in
      config.retries = 0
      config.timeout = 2
      config.accessToken = fan.accessToken
    }
    try await hasty.start()
    network.set(.stall)
    let error = await failure { try await hasty.refresh() }
    XCTAssertEqual(error?.name, "Timeout")
    let before = network.requests
    let call = Task { try await fan.refresh() }
    try await eventually { network.requests > before }
    call.cancel()
    let result = await call.result
    XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError, "\($0)") }
    network.set(.none)
    try await fan.refresh()
  }

  func testACallerWhoGivesUpTakesNothingFromTheOthers() async throws {
    let network = try FaultProxy(to: RealServer.url)
    defer { network.close() }
    network.set(.stall)
    let fan = try RealServer.client(endpoint: network.url) { $0.retries = 5 }
    let first = Task { try await fan.start() }
    try await eventually { network.requests > 0 }
    let second = Task { try await fan.start() }
    first.cancel()
    let result = await first.result
    XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError, "\($0)") }
    network.set(.none)
    let ids = (try await second.value.id, try await fan.start().id)
    XCTAssertEqual(ids.0, ids.1)
  }

  func testAClockThatIsWrongLosesNothing() async throws {
    for days in [-40.0, 40] {
      let drops = Protected<[Drop]>([])
      let fan = try RealServer.client { config in
        config.now = { Date(timeIntervalSinceNow: days * 86_400) }
        config.onDrop = { drop in drops.with { $0.append(drop) } }
      }
      let id = fan.track("poll-voted")
      let profile = try await fan.start()
      try await fan.flush()
      let kept = try await RealServer.activities(of: profile.id)
      XCTAssertEqual(kept.map { $0["id"]?.string }, [id])
      let at = try XCTUnwrap(kept.first?["occurred_at"]?.string.flatMap(readISO))
      XCTAssertLessThan(abs(at.timeIntervalSinceNow), 300)
      XCTAssertTrue(drops.with { $0.isEmpty })
    }
  }

  func testAStorageThatFailsCostsOnlyWhatOutlivesTheApp() async throws {
    let broken = NoStorage()
    let before = try await RealServer.countProfiles()
    let fan = try RealServer.client(broken)
    let profile = try await fan.start()
    fan.track("poll-voted")
    try await fan.flush()
    let ids = try await RealServer.activityIds(of: profile.id)
    XCTAssertEqual(ids.count, 1)
    fan.close()
    let again = try await RealServer.client(broken).start()
    XCTAssertEqual(again.id, profile.id)
    let after = try await RealServer.countProfiles()
    XCTAssertEqual(after, before + 1)
  }

  func testATokenThatIsRotatedUnderWayCostsNothingThatWasDone() async throws {
    let storage = MemoryStorage()
    let fan = try RealServer.client(storage) { $0.flushInterval = 3600 }
    let profile = try await fan.start()
    let first = fan.track("poll-voted")
    let rotated = try await RealServer.admin("POST", "profiles/\(profile.id)/access-tokens/", [:])
    let token = try XCTUnwrap(rotated["access_token"]?.string)
    let flushing = await failure { try await fan.flush() }
    XCTAssertEqual(flushing?.name, "InvalidToken")
    let listening = await failure { for try await _ in fan.groups() {} }
    XCTAssertEqual(listening?.name, "InvalidToken")
    await fan.closeAndWait()
    let next = try RealServer.client(storage) { $0.accessToken = token }
    let second = next.track("poll-voted")
    let same = try await next.start()
    XCTAssertEqual(same.id, profile.id)
    try await next.flush()
    let ids = try await RealServer.activityIds(of: profile.id)
    XCTAssertEqual(ids, [first, second].sorted())
  }

  func testADeadTokenIsAnErrorOrANewProfileWhereThatWasChosen() async throws {
    let storage = MemoryStorage()
    let erased = try await RealServer.client(storage).start()
    try await RealServer.admin("DELETE", "profiles/\(erased.id)/")
    let error = await failure { try await RealServer.client(storage).start() }
    guard case .invalidToken(let said) = error else { return XCTFail("\(String(describing: error))") }
    XCTAssertEqual(said.status, 401)
    XCTAssertEqual(said.code, "authentication_failed")
    XCTAssertNotNil(said.requestId)
    let anew = try await RealServer.client(storage) { $0.onInvalidToken = .create }.start()
    XCTAssertNotEqual(anew.id, erased.id)
  }

  func testSigningInTakesTheAnonymousFanAlongAndSigningOutLeavesNobody() async throws {
    let storage = FileStorage(folder: folder)
    let fan = try RealServer.client(storage) { $0.flushInterval = 3600 }
    try await fan.start()
    let sent = fan.track("poll-voted")
    try await fan.flush()
    let waiting = fan.track("poll-voted")
    let name = unique("fan")
    let account = try await fan.identify(RealServer.sign(name))
    XCTAssertEqual(account.customId, name)
    try await fan.flush()
    let ids = try await RealServer.activityIds(of: account.id)
    XCTAssertEqual(ids, [sent, waiting].sorted())
    let again = try await RealServer.client(storage).start()
    XCTAssertEqual(again.id, account.id)
    try await fan.signOut()
    XCTAssertNil(fan.accessToken)
    let after = await failure { try await fan.refresh() }
    XCTAssertEqual(after?.name, "Misuse")
    let next = try await RealServer.client(storage).start()
    XCTAssertNotEqual(next.id, account.id)
  }

  func testWhatOneAccountDidIsNeverSentAsAnothersAlsoWhileTheAccountChanges() async throws {
    let storage = SlowStorage()
    let tokens = (0..<2).map { _ in RealServer.sign(unique("fan")) }
    let fan = try RealServer.client(storage) { config in
      config.accessToken = tokens[0]
      config.flushInterval = 3600
    }
    let first = try await fan.start()
    let id = fan.track("poll-voted")
    storage.isHeld.with { $0 = true }
    let changing = Task { try await fan.identify(tokens[1]) }
    try await eventually { fan.accessToken == tokens[1] }
    try await fan.flush()
    storage.isHeld.with { $0 = false }
    let second = try await changing.value
    try await fan.flush()
    let theirs = try await RealServer.activityIds(of: second.id)
    XCTAssertEqual(theirs, [])
    try await fan.identify(tokens[0])
    try await fan.flush()
    let own = try await RealServer.activityIds(of: first.id)
    XCTAssertEqual(own, [id])
  }

  func testOwnGroupsAreFollowedByWhoeverIsTheFan() async throws {
    let group = try await RealServer.makeGroup(unique("group"))
    let fan = try RealServer.client()
    let memberships = Protected<[Bool]>([])
    let watching = Task {
      for try await isMember in fan.membership(of: group) { memberships.with { $0.append(isMember) } }
    }
    var changes = fan.groupChanges().makeAsyncIterator()
    let guest = try await fan.start()
    var change = try await changes.next()
    XCTAssertEqual(change, GroupsChange(groups: [], entered: [], left: []))
    try await RealServer.setMember(of: group, guest.id, true)
    change = try await changes.next()
    XCTAssertEqual(change?.entered.map(\.groupId), [group])
    let isMember = try await fan.isMember(of: group)
    XCTAssertTrue(isMember)
    try await RealServer.setMember(of: group, guest.id, false)
    change = try await changes.next()
    XCTAssertEqual(change?.left.map(\.groupId), [group])
    let token = RealServer.sign(unique("fan"))
    let account = try await RealServer.client { $0.accessToken = token }.start()
    try await RealServer.setMember(of: group, account.id, true)
    try await fan.identify(token)
    change = try await changes.next()
    XCTAssertEqual(change?.entered.map(\.groupId), [group])
    try await fan.signOut()
    change = try await changes.next()
    XCTAssertEqual(change?.left.map(\.groupId), [group])
    try await eventually { memberships.with { $0 } == [false, true, false, true, false] }
    fan.close()
    let end = try await changes.next()
    XCTAssertNil(end)
    _ = await watching.result
  }

  func testTheProfileIsFollowedToo() async throws {
    let fan = try RealServer.client()
    var profiles = fan.profiles().makeAsyncIterator()
    var seen = await profiles.next()
    XCTAssertEqual(seen, .some(nil))
    let made = try await fan.start()
    seen = await profiles.next()
    XCTAssertEqual(seen, made)
    try await fan.setNickname("Grace")
    seen = await profiles.next()
    XCTAssertEqual(seen??.nickname, "Grace")
    fan.close()
    seen = await profiles.next()
    XCTAssertEqual(seen, .none)
  }

  func testAnAppThatLeavesTheScreenSendsWhatWaits() async throws {
    let fan = try RealServer.client { $0.flushInterval = 3600 }
    let profile = try await fan.start()
    let id = fan.track("poll-voted")
    NotificationCenter.default.post(name: Notification.Name("UIApplicationDidEnterBackgroundNotification"), object: nil)
    try await eventually { try await RealServer.activityIds(of: profile.id) == [id] }
  }

  func testTokensStandWhereTheyAreMeantToAndInNoText() async throws {
    let secrets = Secrets()
    let fan = try RealServer.client(FileStorage(folder: folder)) { $0.tokenStorage = secrets }
    let profile = try await fan.start()
    let token = try XCTUnwrap(fan.accessToken)
    XCTAssertEqual(secrets.token.with { $0 }, token)
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      XCTAssertFalse(text.contains(token), name)
    }
    var config = Configuration(clientId: RealServer.clientId, endpoint: RealServer.url, storage: MemoryStorage())
    config.accessToken = token
    let passed = try GrandstandClient(config)
    try await passed.start()
    let refused = await failure { try await passed.setNickname("") }
    var said = ""
    for shown in [fan, passed, config, config.storage, profile, refused as Any] as [Any] {
      dump(shown, to: &said)
      said += "\(shown) \(String(reflecting: shown)) "
    }
    XCTAssertFalse(said.contains(token))
    secrets.token.with { $0 = nil }  // as an app does when its user signs out
    let next = try await RealServer.client(FileStorage(folder: folder)) { $0.tokenStorage = secrets }.start()
    XCTAssertNotEqual(next.id, profile.id)
    secrets.isLocked.with { $0 = true }
    let before = try await RealServer.countProfiles()
    do {
      try await RealServer.client(FileStorage(folder: folder)) { $0.tokenStorage = secrets }.start()
      XCTFail("the keychain is locked")
    } catch is Secrets.Locked {}
    let after = try await RealServer.countProfiles()
    XCTAssertEqual(after, before)
  }

  func testAnAddressElsewhereGetsNoToken() async throws {
    let elsewhere = try CannedServer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    let moved = try CannedServer("HTTP/1.1 302 Found\r\nlocation: \(elsewhere.url)/\r\ncontent-length: 0\r\n\r\n")
    defer {
      elsewhere.close()
      moved.close()
    }
    let fan = try RealServer.client(endpoint: moved.url) { config in
      config.accessToken = "a-token"
      config.retries = 0
    }
    let error = await failure { try await fan.start() }
    XCTAssertEqual(error?.name, "Network")  // the server never redirects: what was to be sent waits
    XCTAssertEqual(moved.requests.count, 1)
    XCTAssertTrue(moved.requests.first?.lowercased().contains("authorization: bearer a-token") == true)
    XCTAssertEqual(elsewhere.requests, [])
  }

  func testAPageInThePlaceOfAStreamIsNoEndInGoodOrder() async throws {
    let portal = try CannedServer("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 8\r\n\r\ndata: 1\n")
    defer { portal.close() }
    let http = try HTTP(Configuration(clientId: "a", endpoint: portal.url, storage: MemoryStorage()))
    defer { http.close() }
    let error = await failure {
      try await http.stream("events/", token: "a-token") { data in XCTFail("\(data)") }
    }
    XCTAssertEqual(error?.name, "Network")
  }

  func testCallsOutOfTheirOrderSaySo() async throws {
    let fan = try RealServer.client()
    let early = await failure { try await fan.refresh() }
    XCTAssertEqual(early?.localizedDescription, "Call start first.")
    try await fan.start()
    let dots = await failure { _ = try await fan.getProfile("..") }
    XCTAssertEqual(dots?.name, "Misuse")
    await fan.closeAndWait()
    for call in [{ try await fan.start() }, { try await fan.refresh() }] as [() async throws -> Profile] {
      let error = await failure { _ = try await call() }
      XCTAssertEqual(error?.localizedDescription, "This client was closed.")
    }
    let closed = await failure { for try await _ in fan.groups() {} }
    XCTAssertEqual(closed?.localizedDescription, "This client was closed.")
    XCTAssertThrowsError(try GrandstandClient(clientId: "a/b", endpoint: RealServer.url, storage: MemoryStorage()))
    XCTAssertThrowsError(try GrandstandClient(clientId: "the-app", endpoint: "fans.example.com", storage: MemoryStorage()))
  }

  func testAClientThatNobodyHoldsEnds() async throws {
    var fan: GrandstandClient? = try RealServer.client()
    weak var held = fan
    try await fan?.start()
    fan?.track("poll-voted")
    let changes = fan?.groupChanges()
    fan = nil
    try await eventually { held == nil }
    for try await _ in try XCTUnwrap(changes) {}
  }
}

final class NoStorage: KeyValueStorage {
  struct Failure: Error {}

  func get(_ key: String) throws -> String? { throw Failure() }
  func set(_ key: String, to value: String) throws { throw Failure() }
  func remove(_ key: String) throws { throw Failure() }
}

private final class Secrets: TokenStorage {
  struct Locked: Error {}

  let token = Protected<String?>(nil)
  let isLocked = Protected(false)

  func load() throws -> String? {
    if isLocked.with({ $0 }) { throw Locked() }
    return token.with { $0 }
  }

  func store(_ token: String?) { self.token.with { $0 = token } }
}

/// Holds up what is written, as a flash that is busy does.
private final class SlowStorage: KeyValueStorage {
  private let items = MemoryStorage()
  let isHeld = Protected(false)

  func get(_ key: String) -> String? { items.get(key) }

  func set(_ key: String, to value: String) {
    while isHeld.with({ $0 }) { Thread.sleep(forTimeInterval: 0.001) }
    items.set(key, to: value)
  }

  func remove(_ key: String) { items.remove(key) }
}
