// Activities on their way to the server. What was tracked is in memory at once and in storage a moment later; it leaves
// both when the server has acknowledged it. Sending twice is harmless, since each activity carries its id; so whenever in
// doubt, this sends again. What the server refuses is one activity's fault: it is looked for, and the others go their way.

package dev.grandstand.client

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import java.time.Duration
import java.time.Instant
import java.time.temporal.ChronoUnit
import kotlin.math.min

private const val BATCH = 100
private val WEEK = Duration.ofDays(7)

/** Of one batch: an activity that the server refuses, by its place, and why. */
private class Rejected(
    val index: Int,
    val errors: JsonObject,
)

/** What waits at one place, to be written there. */
private class Snapshot(
    val at: String,
    val waiting: List<Activity>,
    val gone: Set<String>,
)

/**
 * @param keepsEarly what is tracked before the profile is known may be stored, since it can only be this device's next profile's
 * @param identity who the fan is now, with the token that speaks for them
 */
internal class ActivityQueue(
    private val http: Http,
    private val store: Store,
    private val config: ClientConfig,
    private val keepsEarly: Boolean,
    private val scope: CoroutineScope,
    private val identity: () -> Identity?,
) {
    private val path = "applications/${config.clientId}/activities/"
    private val earlyAt = "grandstand:${config.clientId}@${http.root}:queue"
    private val lock = Any()

    private fun placeOf(profileId: String) = "$earlyAt:$profileId"

    // Guarded by `lock`.
    private var waiting = listOf<Activity>()

    /** Acknowledged or dropped, and perhaps still in storage. */
    private val gone = HashSet<String>()

    /** With the device's own time: sent anew without it if the server finds that wrong. */
    private val stamped = HashSet<String>()

    /** Of whom everything that waits is; null while that is not known. */
    private var openFor: String? = null
    private val storedAt get() = openFor?.let(::placeOf) ?: earlyAt.takeIf { keepsEarly }
    private var isStoring = false
    private var timer: Job? = null
    private var running: Deferred<Unit>? = null
    private var failures = 0

    fun track(activity: Activity) {
        val isStamped = activity.occurredAt == null
        val now = config.clock.instant().truncatedTo(ChronoUnit.MICROS)
        val noted = if (isStamped) activity.copy(occurredAt = now.toString()) else activity
        val delay =
            synchronized(lock) {
                waiting = waiting + noted
                if (isStamped) stamped += noted.id
                if (failures > 0) {
                    null
                } else if (waiting.size >= BATCH) {
                    0
                } else {
                    config.flushIntervalMillis
                }
            }
        bound()
        persistSoon()
        if (delay != null) schedule(delay)
    }

    fun reject(
        activity: Activity,
        problem: String,
    ) {
        scope.launch { drop(Drop.Reason.REJECTED, listOf(activity), listOf(problem)) }
    }

    /** Returns when everything tracked so far is acknowledged. What is cancelled is the waiting, not the sending. */
    suspend fun flush() {
        synchronized(lock) {
            timer?.cancel()
            running
        }?.join()
        synchronized(lock) {
            running?.takeIf { it.isActive } ?: scope.async { sendAll() }.also { running = it }
        }.await()
    }

    /** Sends what waits, without anybody waiting for it. */
    fun flushSoon() = schedule(0)

    /** The profile is known: sends what waits and what was left behind earlier, also by profiles that became this one. */
    suspend fun open(
        profileId: String,
        former: List<String>,
    ) {
        if (synchronized(lock) { openFor == profileId }) return
        val others = listOfNotNull(earlyAt.takeIf { keepsEarly }) + former.map(::placeOf)
        store.inQueueTurn {
            val left = (listOf(placeOf(profileId)) + others).flatMap { parse(store.get(it)) }
            synchronized(lock) {
                val known = waiting.mapTo(HashSet()) { it.id } + gone
                waiting = left.filter { it.id !in known } + waiting
                for (activity in left) stamped += activity.id
                openFor = profileId
            }
            write(capture())
            for (from in others) store.remove(from)
        }
        bound()
        if (synchronized(lock) { waiting.isNotEmpty() }) schedule(0)
    }

    /** The profile is not this client's any more. What waits stays stored for its return. */
    suspend fun leave() {
        store.inQueueTurn {
            val last =
                synchronized(lock) {
                    timer?.cancel()
                    capture().also {
                        waiting = emptyList()
                        openFor = null
                    }
                }
            write(last)
        }
    }

    /** As [leave], and beyond the end of the client. */
    suspend fun persist() {
        store.inQueueTurn { write(capture()) }
    }

    private fun persistSoon() {
        synchronized(lock) {
            if (isStoring) return
            isStoring = true
        }
        scope.launch { store.inQueueTurn { write(capture()) } }
    }

    private fun capture(): Snapshot? =
        synchronized(lock) {
            isStoring = false
            storedAt?.let { Snapshot(it, waiting.filter { activity -> activity.id !in gone }, gone.toSet()) }
        }

    /** Other clients write the same list: what they added stays. */
    private suspend fun write(snapshot: Snapshot?) {
        if (snapshot == null) return
        val mine = snapshot.waiting.mapTo(HashSet()) { it.id } + snapshot.gone
        val all = parse(store.get(snapshot.at)).filter { it.id !in mine } + snapshot.waiting
        val list = all.takeLast(config.maxQueue)
        if (list.isEmpty()) store.remove(snapshot.at) else store.set(snapshot.at, list.toJson().toString())
        synchronized(lock) { gone -= snapshot.gone }
    }

    private suspend fun sendAll() {
        var size = BATCH
        while (true) {
            val (owner, batch) = synchronized(lock) { openFor to waiting.take(size) }
            // One fan's activities are never sent by another's token: that of the moment must speak for them.
            val now = identity()
            if (owner == null || batch.isEmpty() || now?.own?.profile?.id != owner) return
            try {
                settle(batch, send(batch, now.own.token))
                synchronized(lock) { failures = 0 }
                size = min(size * 2, BATCH)
            } catch (error: ApiException) {
                if (isTemporary(error)) throw later(error)
                // A dead token may be replaced; any other refusal would come again for ever.
                if (error is InvalidTokenException) throw error
                // Any but 404, of the whole path, may be of one activity: the server's word, or of a proxy that looks into bodies.
                if (batch.size > 1 && error.status != 404) {
                    size = batch.size / 2
                } else {
                    forget(batch)
                    drop(Drop.Reason.REJECTED, batch, batch.map { error.message.orEmpty() })
                }
            } catch (error: NetworkException) {
                throw later(error)
            } finally {
                persistSoon()
            }
        }
    }

    private suspend fun send(
        batch: List<Activity>,
        token: String,
    ): List<Rejected> {
        // The ids of activities make this harmless to repeat, over all attempts and restarts.
        val sent = Sent("POST", path, objectOf("activities" to batch.toJson()), token, idempotencyKey = null)
        return read(http.request(sent, retries = 0), ::rejectedOf)
    }

    private fun later(error: GrandstandException): GrandstandException {
        val failed = synchronized(lock) { ++failures }
        schedule(backOff(failed, error))
        return error
    }

    private fun settle(
        batch: List<Activity>,
        refused: List<Rejected>,
    ) {
        val again = HashMap<String, Activity>()
        val dropped = ArrayList<Activity>()
        val problems = ArrayList<String>()
        for (rejected in refused) {
            val activity = batch.getOrNull(rejected.index) ?: continue
            val isTimely = isTimely(activity)
            // By the device's clock it is neither old nor ahead: so that clock is wrong, and the server's has to do.
            if ("occurred_at" in rejected.errors && synchronized(lock) { stamped.remove(activity.id) } && isTimely) {
                again[activity.id] = activity.copy(occurredAt = null)
            } else {
                dropped += activity
                problems += sentenceOf(messagesOf(rejected.errors))
            }
        }
        synchronized(lock) { waiting = waiting.map { again[it.id] ?: it } }
        forget(batch.filter { it.id !in again })
        drop(Drop.Reason.REJECTED, dropped, problems)
    }

    private fun isTimely(activity: Activity): Boolean {
        val at = runCatching { Instant.parse(activity.occurredAt) }.getOrNull() ?: return false
        return Duration.between(at, config.clock.instant()).abs() < WEEK
    }

    private fun bound() {
        val excess = synchronized(lock) { waiting.dropLast(config.maxQueue) }
        if (excess.isEmpty()) return
        forget(excess)
        scope.launch { drop(Drop.Reason.FULL, excess, emptyList()) } // not on the thread of whoever tracked
    }

    private fun forget(activities: List<Activity>) =
        synchronized(lock) {
            for (activity in activities) {
                gone += activity.id
                stamped -= activity.id
            }
            waiting = waiting.filter { it.id !in gone }
        }

    private fun drop(
        reason: Drop.Reason,
        activities: List<Activity>,
        problems: List<String>,
    ) {
        if (activities.isEmpty()) return
        runCatching { config.onDrop(Drop(reason, activities, problems)) }
    }

    private fun schedule(milliseconds: Long) {
        synchronized(lock) {
            timer?.cancel()
            timer =
                scope.launch {
                    delay(milliseconds)
                    // Not part of the timer, which the next activity cancels.
                    scope.launch { runCatching { flush() } }
                }
        }
    }
}

private fun rejectedOf(answer: JsonElement): List<Rejected> {
    requireNotNull(answer.number("accepted")) { "There is no 'accepted'." }
    return answer.list("rejected") {
        val index = requireNotNull(it.number("index")) { "There is no 'index'." }
        Rejected(index.toInt(), it.jsonObject["errors"] as? JsonObject ?: JsonObject(emptyMap()))
    }
}

private fun parse(text: String?): List<Activity> = readStored(text) { list -> list.jsonArray.map(::activityOf) }.orEmpty()
