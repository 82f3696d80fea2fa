// The types of LiveLike's Android SDK that have to do with profiles, under their own names.

package dev.grandstand.livelike

import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.Executor

/** Where the app keeps its fan's token. It says whose profile there is: with none, or an empty one, a profile is made. */
public interface AccessTokenDelegate {
    public fun getAccessToken(): String?

    public fun storeAccessToken(accessToken: String?)
}

public abstract class ErrorDelegate {
    public abstract fun onError(error: String)
}

public abstract class LiveLikeCallback<T : Any> {
    public abstract fun onResponse(
        result: T?,
        error: String?,
    )
}

@Suppress("PropertyName", "ConstructorParameterNaming", "ktlint:standard:property-naming")
public data class LiveLikeUserApi(
    var nickname: String,
    val accessToken: String,
    var userId: String,
    var custom_data: String? = null,
) {
    /** Without the token, which is a password. */
    override fun toString(): String = "LiveLikeUserApi(nickname=$nickname, userId=$userId)"
}

public interface Stream<T> {
    public fun onNext(data1: T?)

    /** The observer is told the latest value at once, where there is one. The same key again replaces the observer. */
    public fun subscribe(
        key: Any,
        observer: (T?) -> Unit,
    )

    public fun unsubscribe(key: Any)

    public fun clear()

    public fun latest(): T?
}

internal class ObserverStream<T>(
    private val tell: Executor,
) : Stream<T> {
    private val observers = ConcurrentHashMap<Any, (T?) -> Unit>()

    @Volatile private var current: T? = null

    override fun onNext(data1: T?) {
        current = data1
        for ((key, observer) in observers) tell.execute { if (observers[key] === observer) observer(data1) }
    }

    override fun subscribe(
        key: Any,
        observer: (T?) -> Unit,
    ) {
        observers[key] = observer
        current?.let { latest -> tell.execute { if (observers[key] === observer) observer(latest) } }
    }

    override fun unsubscribe(key: Any) {
        observers.remove(key)
    }

    override fun clear(): Unit = observers.clear()

    override fun latest(): T? = current
}
