// What the tests share: the real server that `node scripts/test-swift.mjs` starts, and what a back end would do there.

import Foundation
import XCTest

@testable import Grandstand

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

enum RealServer {
  private static func given(_ name: String) -> String { ProcessInfo.processInfo.environment["GRANDSTAND_TEST_\(name)"] ?? "" }

  static let url = given("URL")
  static let clientId = given("CLIENT_ID")
  static let player = given("PLAYER")
  private static let clientSecret = given("CLIENT_SECRET")
  private static let adminToken = given("ADMIN_TOKEN")
  private static let controlURL = given("CONTROL")

  static func client(
    _ storage: any KeyValueStorage = MemoryStorage(), endpoint: String = url, configure: (inout Configuration) -> Void = { _ in }
  ) throws -> GrandstandClient {
    try GrandstandClient(clientId: clientId, endpoint: endpoint, storage: storage, configure: configure)
  }

  @discardableResult
  static func admin(_ method: String, _ path: String, _ body: JSONValue? = nil) async throws -> JSONValue {
    let http = try HTTP(Configuration(clientId: clientId, endpoint: url, storage: MemoryStorage()))
    defer { http.close() }
    return try await http.request(Sent(method: method, path: path, body: try body.map { try encode($0) }, token: adminToken))
  }

  /// `kill` ends the server as a power cut does, `start` brings it back at the same address.
  static func control(_ command: String) async throws { _ = try await ask("\(controlURL)/\(command)", JSONValue.null) }

  static func countProfiles() async throws -> Int64 {
    guard case .integer(let count) = try await admin("GET", "applications/\(clientId)/profiles/?page_size=1")["count"] else { return -1 }
    return count
  }

  static func activities(of profileId: String) async throws -> [JSONValue] {
    let page = try await admin("GET", "applications/\(clientId)/profiles/\(profileId)/activities/?page_size=100")
    guard case .array(let activities) = page["results"] else { return [] }
    return activities
  }

  static func activityIds(of profileId: String) async throws -> [String] {
    try await activities(of: profileId).compactMap { $0["id"]?.string }.sorted()
  }

  static func makeGroup(_ name: String) async throws -> String {
    let body: JSONValue = ["name": .string(name), "custom_id": .string(name)]
    return try await admin("POST", "applications/\(clientId)/profile-groups/", body)["id"]?.string ?? ""
  }

  static func setMember(of group: String, _ profileId: String, _ isMember: Bool) async throws {
    let body: JSONValue = ["profile_ids": [.string(profileId)]]
    try await admin(isMember ? "POST" : "DELETE", "applications/\(clientId)/profile-groups/\(group)/members/", body)
  }

  /// As a back end signs for its account.
  static func sign(_ customId: String) -> String {
    let claims = #"{"iss":"\#(clientId)","iat":\#(Int(Date().timeIntervalSince1970)),"custom_profile_id":"\#(customId)"}"#
    let signed = "\(base64URL(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))).\(base64URL(Array(claims.utf8)))"
    return "\(signed).\(base64URL(hmac(Array(signed.utf8), by: Array(clientSecret.utf8))))"
  }
}

private func base64URL(_ bytes: [UInt8]) -> String {
  Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
    .replacingOccurrences(of: "=", with: "")
}

private func hmac(_ message: [UInt8], by key: [UInt8]) -> [UInt8] {
  let block = key + [UInt8](repeating: 0, count: 64 - key.count)
  return sha256(block.map { $0 ^ 0x5c } + sha256(block.map { $0 ^ 0x36 } + message))
}

/// The answer of anything that speaks HTTP.
func ask(_ address: String, _ body: JSONValue? = nil) async throws -> Data {
  var request = URLRequest(url: try XCTUnwrap(URL(string: address)))
  request.timeoutInterval = 60
  if let body {
    request.httpMethod = "POST"
    request.httpBody = try encode(body)
  }
  return try await withCheckedThrowingContinuation { continuation in
    let task = URLSession.shared.dataTask(with: request) { data, _, error in
      continuation.resume(with: error.map { .failure($0) } ?? .success(data ?? Data()))
    }
    task.resume()
  }
}

func unique(_ name: String) -> String { "\(name)-\(randomId())" }

/// Asks until it is so; there is no other signal to wait on.
func eventually(
  file: StaticString = #filePath, line: UInt = #line, _ isSo: () async throws -> Bool
) async throws {
  let end = Date().addingTimeInterval(30)
  while try await !isSo() {
    if Date() > end { return XCTFail("it did not happen", file: file, line: line) }
    try await sleep(seconds: 0.02)
  }
}

func failure(
  file: StaticString = #filePath, line: UInt = #line, of work: () async throws -> Void
) async -> GrandstandError? {
  do {
    try await work()
    XCTFail("it did not fail", file: file, line: line)
  } catch let error as GrandstandError {
    return error
  } catch {
    XCTFail("it failed with \(error)", file: file, line: line)
  }
  return nil
}

extension GrandstandError {
  /// Its name in the cases of sdk/conformance.
  var name: String {
    switch self {
    case .invalidToken: return "InvalidToken"
    case .api: return "Api"
    case .timeout: return "Timeout"
    case .network: return "Network"
    case .misuse: return "Misuse"
    }
  }
}

/// Tests that need the real server, and a folder.
class ServerTestCase: XCTestCase {
  private(set) var folder = URL(fileURLWithPath: "/nowhere")

  override func setUp() async throws {
    try XCTSkipIf(RealServer.url.isEmpty, "no server: `node scripts/test-swift.mjs` starts one")
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(unique("grandstand"))
  }

  override func tearDown() async throws { try? FileManager.default.removeItem(at: folder) }
}
