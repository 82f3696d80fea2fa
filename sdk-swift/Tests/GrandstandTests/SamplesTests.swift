// What the pages show is what is compiled here, and it runs.

import Foundation
import GrandstandSamples
import XCTest

@testable import Grandstand

final class SamplesTests: ServerTestCase {
  func testTheWalkOfTheReadmeCanBeWalked() async throws {
    let walk = Walk(clientId: RealServer.clientId, endpoint: RealServer.url, folder: folder)
    let fan = try await walk.start()
    let changed = try await walk.change(fan)
    XCTAssertEqual(changed.nickname, "Ada")
    try await walk.act(fan)
    try await walk.ask(fan)
    try await walk.rename(fan, to: String(repeating: "x", count: 101))
    XCTAssertEqual(walk.shown.count, 1)
    let token = try XCTUnwrap(fan.accessToken)
    let again = try await walk.resume("no-token") { token }
    XCTAssertEqual(again.profile?.id, fan.profile?.id)
    let configured = try await walk.configured().start()
    XCTAssertEqual(configured.id, fan.profile?.id)
    try await walk.signInAndFollow(fan, RealServer.sign(unique("fan")))
    try await walk.signIn(fan, RealServer.sign(unique("fan")))
    XCTAssertNil(fan.profile)
  }

  func testAModelShowsTheFanAndWhatWentWrong() async throws {
    let fan = try RealServer.client(DefaultsStorage(suiteName: unique("grandstand")))
    let model = await FanModel(fan)
    let watching = Task { await model.follow() }
    try await eventually { await model.state.nickname != nil }
    await model.rename(to: "Grace")
    try await eventually { await model.state.nickname == "Grace" }
    var problem = await model.state.problem
    XCTAssertNil(problem)
    await model.rename(to: "")
    problem = await model.state.problem
    XCTAssertTrue(problem?.hasPrefix("nickname: ") == true)
    await model.voted(in: "man-of-the-match")
    try await fan.flush()
    watching.cancel()
    await watching.value
  }
}

final class PagesTests: XCTestCase {
  private let home = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardizedFileURL

  private func read(_ path: String) throws -> String { try String(contentsOf: home.appendingPathComponent(path), encoding: .utf8) }

  /// Without what only the place of a piece says: its indentation.
  private func flat(_ text: some StringProtocol) -> String {
    text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private func swiftFiles() throws -> [String] {
    try ["Samples", "Tests/GrandstandTests", "Sources/GrandstandLiveLike"].flatMap { folder in
      try FileManager.default.contentsOfDirectory(atPath: home.appendingPathComponent(folder).path)
        .filter { $0.hasSuffix(".swift") }.map { "\(folder)/\($0)" }
    }
  }

  func testWhatThePagesShowIsWhatIsCompiledHere() throws {
    let compiled = try swiftFiles().map { flat(try read($0)) }
    var shown = 0
    for page in ["README.md", "docs/from-livelike.md"] {
      for block in try read(page).components(separatedBy: "```swift\n").dropFirst() {
        let piece = flat(block.components(separatedBy: "```")[0])
        if piece.contains(".package(") { continue }
        shown += 1
        XCTAssertTrue(compiled.contains { $0.contains(piece) }, "\(page) shows what is compiled nowhere:\n\(piece)")
      }
    }
    XCTAssertGreaterThan(shown, 10)
  }

  func testTheVersionIsTheServers() throws {
    let package = try read("../package.json")
    let version = try XCTUnwrap(package.components(separatedBy: "\"version\": \"").dropFirst().first?.prefix { $0 != "\"" })
    for page in ["README.md", "docs/from-livelike.md"] {
      XCTAssertTrue(try read(page).contains("from: \"\(version)\""), page)
    }
  }
}
