// Instants as they travel: ISO 8601 in UTC. Made by arithmetic, so that no calendar or locale of the device has a say.

import Foundation

/// `2025-04-28T12:16:49.670053Z`, without a fraction where there is none.
func isoText(_ date: Date) -> String {
  let micros = Int64((date.timeIntervalSince1970 * 1_000_000).rounded())
  let (days, inDay) = floored(micros, by: 86_400_000_000)
  let (year, month, day) = civil(days)
  let (second, fraction) = floored(inDay, by: 1_000_000)
  let clock = "\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
  return "\(padded(year, to: 4))-\(two(month))-\(two(day))T\(clock)\(fraction == 0 ? "" : ".\(padded(fraction, to: 6))")Z"
}

/// Reads what `isoText` wrote.
func readISO(_ text: String) -> Date? {
  let parts = text.split(whereSeparator: { "-T:.Z".contains($0) })
  let numbers = parts.compactMap { Int64($0) }
  guard text.hasSuffix("Z"), numbers.count == parts.count, numbers.count == 6 || numbers.count == 7 else { return nil }
  let days = daysFromCivil(numbers[0], numbers[1], numbers[2])
  let seconds = Double(((days * 24 + numbers[3]) * 60 + numbers[4]) * 60 + numbers[5])
  let fraction = parts.count == 7 ? Double("0.\(parts[6])") ?? 0 : 0
  return Date(timeIntervalSince1970: seconds + fraction)
}

private func floored(_ number: Int64, by divisor: Int64) -> (quotient: Int64, rest: Int64) {
  let rest = ((number % divisor) + divisor) % divisor
  return ((number - rest) / divisor, rest)
}

private func padded(_ number: Int64, to count: Int) -> String {
  let text = String(number)
  return String(repeating: "0", count: max(0, count - text.count)) + text
}

private func two(_ number: Int64) -> String { padded(number, to: 2) }

/// The date of so many days after 1970-01-01 in the proleptic Gregorian calendar; its years begin in March here.
private func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
  let (era, dayOfEra) = floored(days + 719_468, by: 146_097)
  let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  let march = (5 * dayOfYear + 2) / 153
  let month = march < 10 ? march + 3 : march - 9
  return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * march + 2) / 5 + 1)
}

private func daysFromCivil(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
  let (era, yearOfEra) = floored(month <= 2 ? year - 1 : year, by: 400)
  let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
  return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}
