// The parts that need no server.

import Foundation
import XCTest

@testable import Grandstand

final class PartsTests: XCTestCase {
  func testSHA256IsThatOfTheStandard() {
    XCTAssertEqual(fingerprint(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    XCTAssertEqual(fingerprint("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    XCTAssertEqual(
      fingerprint("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    XCTAssertEqual(
      fingerprint(String(repeating: "a", count: 1000)), "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3")
  }

  func testInstantsAreWrittenAndReadAsTheServerDoes() throws {
    let known = [
      (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (951_782_400.5, "2000-02-29T00:00:00.500000Z"),
      (4_107_542_399, "2100-02-28T23:59:59Z"), (1_745_842_609.670053, "2025-04-28T12:16:49.670053Z"),
    ]
    for (seconds, text) in known {
      XCTAssertEqual(isoText(Date(timeIntervalSince1970: seconds)), text)
      XCTAssertEqual(try XCTUnwrap(readISO(text)).timeIntervalSince1970, seconds, accuracy: 0.000_001)
    }
    XCTAssertNil(readISO("yesterday"))
    XCTAssertNil(readISO("2025-04-28"))
    let seed = UInt64.random(in: 0 ... .max)
    var generator = Seeded(state: seed)
    let foundation = ISO8601DateFormatter()
    for _ in 0..<2000 {
      let date = Date(timeIntervalSince1970: Double(Int64.random(in: -60_000_000_000...250_000_000_000, using: &generator)))
      // Foundation's calendar has the Julian one before 1582.
      if date < Date(timeIntervalSince1970: -12_219_292_800) { continue }
      XCTAssertEqual(isoText(date), foundation.string(from: date), "seed \(seed)")
      XCTAssertEqual(readISO(isoText(date)), date, "seed \(seed)")
    }
  }

  func testRetryAfterIsSecondsOrADateByTheServersClock() {
    XCTAssertEqual(readRetryAfter("60", answeredAt: nil), 60)
    XCTAssertEqual(readRetryAfter("-1", answeredAt: nil), 0)
    let date = "Sat, 28 Nov 2026 18:00:00 GMT"
    XCTAssertEqual(readRetryAfter("Sat, 28 Nov 2026 18:01:30 GMT", answeredAt: date), 90)
    XCTAssertEqual(readRetryAfter("Sat, 28 Nov 2026 17:00:00 GMT", answeredAt: date), 0)
    XCTAssertNil(readRetryAfter("soon", answeredAt: date))
    XCTAssertNil(readRetryAfter(nil, answeredAt: date))
    for attempt in 0..<100 { XCTAssertLessThan(backOff(attempt), 60) }
  }

  func testJSONKeepsWhatItIs() throws {
    let text = #"{"a":[1,1.5,true,null,"x\u00e9/"],"b":9007199254740993}"#
    let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    XCTAssertEqual(value, ["a": [1, 1.5, true, nil, "xé/"], "b": 9_007_199_254_740_993])
    XCTAssertEqual(try JSONDecoder().decode(JSONValue.self, from: try encode(value)), value)
  }

  func testFilesAreThisUsersAloneAndTheirKeysAnything() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(unique("grandstand"))
    defer { try? FileManager.default.removeItem(at: folder) }
    let storage = FileStorage(folder: folder)
    let long = String(repeating: "x", count: 300)
    let keys = ["a/b:c", "..", "Ä", "a%2fb", "A", "a", long, long + "y"]
    for key in keys {
      XCTAssertNil(try storage.get(key))
      try storage.set(key, to: "1")
      try storage.set(key, to: "\(key) 2")
    }
    for key in keys { XCTAssertEqual(try storage.get(key), "\(key) 2") }
    let mode = { try FileManager.default.attributesOfItem(atPath: $0)[.posixPermissions] as? Int }
    XCTAssertEqual(try mode(folder.path), 0o700)
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      XCTAssertEqual(try mode(folder.appendingPathComponent(name).path), 0o600, name)
      XCTAssertFalse(name.hasSuffix(".tmp"))
    }
    XCTAssertTrue(FileStorage.standard.identity?.hasSuffix("/Grandstand") == true)
    try storage.remove("..")
    try storage.remove("..")
    XCTAssertNil(try storage.get(".."))
  }

  func testAFolderIsHeldByOneAtATime() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(unique("grandstand"))
    defer { try? FileManager.default.removeItem(at: folder) }
    // As two processes have it: each has the file open for itself.
    let unlock = try FileStorage(folder: folder).lock()
    let order = Protected<[String]>([])
    let other = Task {
      let unlock = try await inBackground { try FileStorage(folder: folder).lock() }
      order.with { $0.append("second") }
      unlock()
    }
    let descriptor = open(folder.appendingPathComponent("lock").path, O_RDWR)
    XCTAssertEqual(flock(descriptor, LOCK_EX | LOCK_NB), -1)
    close(descriptor)
    order.with { $0.append("first") }
    unlock()
    try await other.value
    XCTAssertEqual(order.with { $0 }, ["first", "second"])
  }

  func testWhatHasNoJSONIsDroppedAndSaid() async throws {
    let drops = Protected<[Drop]>([])
    let fan = try GrandstandClient(clientId: "the-app", endpoint: "http://localhost:1", storage: MemoryStorage()) { config in
      config.onDrop = { drop in drops.with { $0.append(drop) } }
    }
    let id = fan.track("poll-voted", data: ["share": Double.nan])
    try await eventually { drops.with { $0.count } == 1 }
    let drop = try XCTUnwrap(drops.with { $0.first })
    XCTAssertEqual([drop.activities.map(\.id), [drop.reason.rawValue]], [[id], ["rejected"]])
  }

  func testTextsOfAddressesAreTakenWithAndWithoutTheAPI() throws {
    for text in ["https://fans.example.com", "https://fans.example.com/", " https://fans.example.com/api/v1/ "] {
      let http = try HTTP(Configuration(clientId: "a", endpoint: text, storage: MemoryStorage()))
      XCTAssertEqual(http.root, "https://fans.example.com/api/v1/")
      http.close()
    }
    XCTAssertEqual(try segment("a/b é"), "a%2Fb%20%C3%A9")
  }
}

private struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
