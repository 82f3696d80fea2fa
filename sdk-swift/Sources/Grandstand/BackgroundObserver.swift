// Tells when the app leaves the screen. By the names of the notifications, so that extensions, which have no UIApplication, can be
// built with this.

import Foundation

final class BackgroundObserver: Sendable {
  private static let names = ["UIApplicationDidEnterBackgroundNotification", "NSApplicationWillTerminateNotification"]
  private let observers: Protected<[any NSObjectProtocol]>

  init(_ work: @escaping @Sendable () async throws -> Void) {
    observers = Protected(
      Self.names.map { name in
        NotificationCenter.default.addObserver(forName: Notification.Name(name), object: nil, queue: nil) { _ in
          withTimeToFinish(work)
        }
      })
  }

  deinit {
    observers.with { for observer in $0 { NotificationCenter.default.removeObserver(observer) } }
  }
}

/// Does the work in the time that the system gives to an app that left the screen.
private func withTimeToFinish(_ work: @escaping @Sendable () async throws -> Void) {
  #if os(iOS) || os(tvOS) || os(watchOS) || os(visionOS)
    ProcessInfo.processInfo.performExpiringActivity(withReason: "Sending what the fan did") { isExpired in
      if isExpired { return }
      let isDone = DispatchSemaphore(value: 0)
      Task.detached {
        try? await work()
        isDone.signal()
      }
      isDone.wait()
    }
  #else
    Task.detached { try? await work() }
  #endif
}
