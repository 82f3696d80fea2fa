// The shape that SwiftUI gives its screens: one model on the main actor, a state to draw, and calls that say what went wrong.

import Foundation
import Grandstand

#if canImport(Combine)
  import Combine
#endif

/// What the screen of a fan shows.
public struct FanState: Sendable, Equatable {
  public var nickname: String?
  public var isVip = false
  public var problem: String?
}

/// `@StateObject private var fan = FanModel(client)`, and `.task { await fan.follow() }` at the view that shows it.
@MainActor
public final class FanModel {
  private let fan: GrandstandClient

  public private(set) var state = FanState() {
    willSet { willChange() }
  }

  public init(_ fan: GrandstandClient) { self.fan = fan }

  /// Keeps the state for as long as the view is there.
  public func follow() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.followProfile() }
      group.addTask { await self.followGroup() }
      group.addTask { await self.tell { try await self.fan.start() } }
    }
  }

  public func rename(to nickname: String) async {
    await tell { try await self.fan.setNickname(nickname) }
  }

  public func voted(in poll: String) {
    fan.track("poll-voted", data: ["poll": poll])
  }

  private func followProfile() async {
    for await profile in fan.profiles() { state.nickname = profile?.nickname }
  }

  private func followGroup() async {
    do {
      for try await isVip in fan.membership(of: "vip") { state.isVip = isVip }
    } catch {
      state.isVip = false
    }
  }

  private func tell(_ call: @Sendable () async throws -> Profile) async {
    do {
      _ = try await call()
      state.problem = nil
    } catch GrandstandError.invalidToken {
      state.problem = "You are signed out."
    } catch GrandstandError.api(let error) {
      state.problem = error.message
    } catch is GrandstandError {
      state.problem = "No connection. It is tried again later."
    } catch {
      // The view went away.
    }
  }
}

#if canImport(Combine)
  extension FanModel: ObservableObject {
    private func willChange() { objectWillChange.send() }
  }
#else
  extension FanModel {
    private func willChange() {}
  }
#endif
